//! The whole phone, put together: settings in, a running daemon out.
//!
//! The command line, the demonstration and the tests all start it here, so that what is tested is what runs.

mod api_key;
mod http;
mod lock;
mod port;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::audio::MediaHandle;
use crate::config::{Origin, Secret, Settings, live};
use crate::control::{DaemonDesk, Server};
use crate::failure::Failure;
use crate::handset::Handsets;
use crate::phone::{PhoneHandle, RecordingSettings};
use crate::pure::phone::PhoneSettings;
use crate::store::{StoreError, StoreHandle};
use crate::{handset, hooks, mqtt, twilio, web};
use http::{Connections, Limits};
use lock::Lock;

/// A running daemon. Dropping it does not stop it in order: use [`Daemon::stop`].
#[derive(Debug)]
pub struct Daemon {
    addresses: Vec<SocketAddr>,
    api_key: Secret,
    api_key_path: Option<PathBuf>,
    public_url: Origin,
    phone: PhoneHandle,
    closing: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    control: Server,
    handsets: Handsets,
    hooks: Option<JoinHandle<()>>,
    mqtt: Option<JoinHandle<()>>,
    // Held as long as the daemon runs.
    _lock: Lock,
}

impl Daemon {
    /// Starts everything and returns once calls can come in.
    ///
    /// # Errors
    /// Where the folder, the port, the database or the control socket cannot be had. A sound device that cannot be had is
    /// no error.
    pub async fn start(mut settings: Settings) -> Result<Daemon, Failure> {
        let clock = Instant::now();
        let mut lock = Lock::take(&settings.data_dir)?;
        let listening = port::listen(&settings.bind, settings.port, settings.bind_by_default)?;
        lock.note_port(listening.port)?;
        for address in &listening.lacking {
            debug!(%address, "this machine has no such address; going on without it");
        }
        if settings.public_url_by_default {
            // With port 0 the origin is known only now.
            settings.public_url = Origin::loopback(listening.port);
        }
        let (api_key, api_key_path) = match &settings.api_key {
            Some(key) => (key.clone(), None),
            None => {
                let kept = api_key::read_or_make(&settings.data_dir)?;
                if kept.created {
                    info!(path = %kept.path.display(), "an API key was made");
                }
                (kept.key, Some(kept.path))
            }
        };
        let store = StoreHandle::open(&settings.data_dir).map_err(|cause| {
            let hint = match cause {
                StoreError::Unusable { .. } => {
                    "make room on the disk, or choose another folder with --data-dir"
                }
                StoreError::Newer { .. } => {
                    "start the newer program, or choose another folder with --data-dir"
                }
            };
            Failure::world(cause.to_string()).hint(hint)
        })?;
        let kept = store.settings().await.unwrap_or_default();
        let (tuned, left_out) = live::take_up(&mut settings, &kept);
        for why in left_out {
            warn!(why, "a changed setting is left out");
        }
        let carrier = twilio::carrier(&settings).map_err(Failure::world)?;
        let media = start_sound(&settings, clock).await?;
        let recordings = RecordingSettings {
            folder: settings.data_dir.join("recordings"),
            format: settings.record_format,
            retention: settings.retention,
            greetings: settings.data_dir.clone(),
            lang: settings.lang,
        };
        let phone = PhoneHandle::start(
            phone_settings(&settings),
            media,
            store,
            carrier,
            clock,
            recordings,
            settings.quiet.clone(),
        )
        .await;
        phone.limit_history(settings.history);
        phone.take_up(tuned).await;
        let roots = handset::Roots::default();
        let handsets = handset::start(settings.handset.clone(), roots, phone.clone());
        let router = Router::new()
            .merge(twilio::door(&settings, phone.clone(), clock))
            .merge(web::door(&settings, api_key.clone(), phone.clone()));
        let (closing, closed) = watch::channel(false);
        let connections = Connections::new(Limits::default());
        let mut addresses = Vec::new();
        let mut doors = Vec::new();
        for listener in listening.listeners {
            let listener = TcpListener::from_std(listener).map_err(|cause| {
                Failure::ours("a listening socket cannot be used").caused_by(&cause)
            })?;
            let address = listener.local_addr().map_err(|cause| {
                Failure::ours("a listening socket has no address").caused_by(&cause)
            })?;
            addresses.push(address);
            doors.push(tokio::spawn(http::serve(
                listener,
                router.clone(),
                connections.clone(),
                closed.clone(),
            )));
        }
        let local = local_url(&addresses);
        let desk = DaemonDesk::new(
            phone.clone(),
            local,
            settings.public_url.as_str().to_owned(),
            settings.told.clone(),
        );
        let control = Server::start(&settings.socket, desk)?;
        let hooks = hooks::start(&phone, settings.hooks, settings.socket);
        let mqtt = settings
            .mqtt
            .map(|mqtt| mqtt::start(&phone, mqtt, settings.lang));
        info!(
            port = listening.port,
            public_url = settings.public_url.as_str(),
            "the phone is ready"
        );
        Ok(Daemon {
            addresses,
            api_key,
            api_key_path,
            public_url: settings.public_url,
            phone,
            closing,
            doors,
            control,
            handsets,
            hooks,
            mqtt,
            _lock: lock,
        })
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// Returns the address to open on this machine, such as `http://127.0.0.1:3000`.
    #[must_use]
    pub fn local_url(&self) -> String {
        local_url(&self.addresses)
    }

    /// Returns the origin that the carrier sees.
    #[must_use]
    pub fn public_url(&self) -> &Origin {
        &self.public_url
    }

    /// Returns the key of the person's door.
    #[must_use]
    pub fn api_key(&self) -> &Secret {
        &self.api_key
    }

    /// Returns the file that holds the key; nothing where the settings gave it.
    #[must_use]
    pub fn api_key_path(&self) -> Option<&Path> {
        self.api_key_path.as_deref()
    }

    /// Returns the phone.
    #[must_use]
    pub fn phone(&self) -> &PhoneHandle {
        &self.phone
    }

    /// Hangs up, closes the doors and finishes the files; takes 8 s at most.
    pub async fn stop(self) {
        self.phone.stop().await;
        let _ = self.closing.send(true);
        for mut door in self.doors {
            // Whoever is slow with a request is cut off.
            if tokio::time::timeout(Duration::from_millis(500), &mut door)
                .await
                .is_err()
            {
                door.abort();
            }
        }
        for mut follower in [self.hooks, self.mqtt].into_iter().flatten() {
            // The last event was told; a program or a broker that is slow is cut off.
            if tokio::time::timeout(Duration::from_millis(500), &mut follower)
                .await
                .is_err()
            {
                follower.abort();
            }
        }
        drop(self.control);
        drop(self.handsets);
        self.phone.media().stop().await;
    }
}

fn local_url(addresses: &[SocketAddr]) -> String {
    addresses
        .first()
        .map_or_else(String::new, |address| format!("http://{address}"))
}

/// Opening devices blocks, so it is done beside the runtime's own threads.
async fn start_sound(settings: &Settings, clock: Instant) -> Result<MediaHandle, Failure> {
    let audio = settings.audio.clone();
    let started = tokio::task::spawn_blocking(move || MediaHandle::start(&audio, clock)).await;
    match started {
        Ok(started) => Ok(started?),
        Err(broken) => Err(Failure::ours("the sound engine did not start").caused_by(&broken)),
    }
}

fn phone_settings(settings: &Settings) -> PhoneSettings {
    PhoneSettings {
        ring: settings.ring,
        ring_for: settings.ring_for,
        browsers_ring_for: settings.browsers_ring_for,
        forwarding: settings.forwarding.clone(),
        voicemail: settings.voicemail,
        auto_answer: settings.auto_answer,
        own_number: Some(settings.twilio.phone_number.clone()),
        country: settings.country,
        call_waiting: settings.call_waiting,
        longest_call: settings.longest_call,
        record_notice: settings.record_notice,
    }
}
