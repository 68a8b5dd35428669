//! One connection to a broker: bytes over TCP, or over TLS, made packets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Broker;
use crate::pure::mqtt::packet::{Decoder, Incoming, Outgoing, PacketError};

/// How long connecting may take, with TLS.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long a packet of ours may lie before the connection is given up.
const LYING: Duration = Duration::from_secs(10);

/// What goes wrong with a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// It took too long.
    #[error("it does not answer in time")]
    TooSlow,
    /// It is gone, or was never there.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Whoever is there speaks something else.
    #[error("{0}")]
    Packet(#[from] PacketError),
    /// Its certificate cannot be checked.
    #[error("the name `{0}` can have no certificate")]
    Name(String),
    /// No certificate can be checked.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

/// Whatever bytes go through.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    decoder: Decoder,
}

impl Link {
    /// Connects, and checks the broker's certificate where it has one: against the system's roots, or those in the file that
    /// SSL_CERT_FILE names.
    pub(super) async fn open(broker: &Broker) -> Result<Link, LinkError> {
        let opened = timeout(CONNECTING, open(broker)).await;
        let stream = opened.map_err(|_| LinkError::TooSlow)??;
        Ok(Link {
            stream,
            decoder: Decoder::default(),
        })
    }

    /// Sends a packet; a connection that does not take it in time is of no use any more.
    pub(super) async fn send(&mut self, packet: &Outgoing<'_>) -> Result<(), LinkError> {
        let bytes = packet.encode();
        let sent = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        timeout(LYING, sent)
            .await
            .map_err(|_| LinkError::TooSlow)??;
        Ok(())
    }

    /// Waits for the next packet. Dropped halfway, it has lost nothing.
    pub(super) async fn next(&mut self) -> Result<Incoming, LinkError> {
        let mut bytes = [0; 4_096];
        loop {
            if let Some(packet) = self.decoder.next_packet()? {
                return Ok(packet);
            }
            let count = self.stream.read(&mut bytes).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.decoder.push(&bytes[..count]);
        }
    }
}

async fn open(broker: &Broker) -> Result<Box<dyn Stream>, LinkError> {
    let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await?;
    // Each packet is a word of its own.
    stream.set_nodelay(true)?;
    if !broker.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(broker.host.clone())
        .map_err(|_| LinkError::Name(broker.host.clone()))?;
    // Reading the system's certificates takes milliseconds of the disk.
    let roots = tokio::task::spawn_blocking(roots).await;
    let roots = roots.map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, stream).await?))
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system's cannot be read");
    }
    // One that is broken makes no other wrong.
    let (_, _) = roots.add_parsable_certificates(found.certs);
    roots
}
