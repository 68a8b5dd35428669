//! Listening on the port, and naming who is there already.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::failure::Failure;

/// What became of listening.
#[derive(Debug)]
pub(crate) struct Listening {
    /// One listener for each address, ready for the runtime, all on the same port.
    pub(crate) listeners: Vec<TcpListener>,
    /// The port.
    pub(crate) port: u16,
    /// Addresses that this machine lacks; only where they are but the default.
    pub(crate) lacking: Vec<IpAddr>,
}

/// Listens on a port of every address. With port 0 the first address chooses, and the others follow.
///
/// Where the addresses are but the default, one that the machine lacks (no IPv6, say) is left out.
pub(crate) fn listen(
    addresses: &[IpAddr],
    port: u16,
    by_default: bool,
) -> Result<Listening, Failure> {
    let mut listening = Listening {
        listeners: Vec::new(),
        port,
        lacking: Vec::new(),
    };
    for address in addresses {
        let wanted = SocketAddr::new(*address, listening.port);
        match bind(wanted) {
            Ok((listener, port)) => {
                listening.port = port;
                listening.listeners.push(listener);
            }
            Err(error) if by_default && lacks(&error) => listening.lacking.push(*address),
            Err(error) => return Err(refused(wanted, &error)),
        }
    }
    if listening.listeners.is_empty() {
        return Err(
            Failure::world("this machine has none of the addresses to listen on")
                .hint("name others with --bind"),
        );
    }
    Ok(listening)
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Says whether an error means that the machine has no such address, or no such kind of address.
fn lacks(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` of Linux: IPv6 is switched off.
    const NO_SUCH_FAMILY: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// Says why an address cannot be listened on, and who is there.
fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    let port = address.port();
    if error.kind() == io::ErrorKind::AddrInUse {
        let who = holder(port).unwrap_or_else(|| "another program".to_owned());
        return Failure::world(format!("port {port} is taken by {who}"))
            .caused_by(error)
            .hint("stop it, or choose another with --port (and --data-dir for a second daemon)");
    }
    let failure = Failure::world(format!("`{address}` cannot be listened on")).caused_by(error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure.hint("ports below 1024 are the system's; choose another with --port");
    }
    failure.hint("choose other addresses with --bind")
}

/// Finds who listens on a port, as far as the system shows it.
fn holder(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .find_map(|table| listening_socket(&table, port))?;
    let link = format!("socket:[{}]", socket.inode);
    let named = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let mut files = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            files.find(|file| {
                std::fs::read_link(file.path())
                    .is_ok_and(|target| target.as_os_str() == link.as_str())
            })?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some(format!("process {pid} ({})", name.trim()))
        });
    // Other people's processes do not show their files.
    Some(named.unwrap_or_else(|| format!("a program of user {}", socket.owner)))
}

/// A listening socket, as the kernel lists it.
#[derive(Debug, Eq, PartialEq)]
struct KernelSocket {
    owner: u32,
    inode: u64,
}

/// Finds the socket that listens on a port in the text of `/proc/net/tcp` (proc(5)).
fn listening_socket(table: &str, port: u16) -> Option<KernelSocket> {
    const LISTENING: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let local = fields.get(1)?.rsplit_once(':')?.1;
        let found = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTENING;
        found.then_some(())?;
        Some(KernelSocket {
            owner: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_taken_port_names_who_holds_it() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = listen(&[loopback], 0, false).expect("free");
        let failure = listen(&[loopback], first.port, true).expect_err("taken");
        let text = failure.to_string();
        let who = format!("process {}", std::process::id());
        assert!(text.contains(&format!("port {} is taken", first.port)));
        assert!(text.contains(&who), "{text}");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn an_address_that_the_machine_lacks_matters_only_when_it_was_asked_for() {
        // TEST-NET-1 of RFC 5737 is nobody's.
        let lacking = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), lacking];
        let listening = listen(&both, 0, true).expect("one is there");
        assert_eq!(listening.lacking, [lacking]);
        assert_eq!(listening.listeners.len(), 1);
        assert!(listen(&both, 0, false).is_err());
        assert!(listen(&[lacking], 0, true).is_err());
    }

    #[test]
    fn all_addresses_share_one_port() {
        let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let listening = listen(&both, 0, true).expect("free");
        for listener in &listening.listeners {
            let address = listener.local_addr().expect("bound");
            assert_eq!(address.port(), listening.port);
        }
    }

    #[test]
    fn the_kernels_table_is_read_and_nonsense_survived() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 01 00000000:00000000 00:00000000 00000000  1000        0 11 1\n\
            1: nonsense\n\
            2: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 22 1\n";
        let found = listening_socket(table, 3000);
        assert_eq!(
            found,
            Some(KernelSocket {
                owner: 1000,
                inode: 22
            })
        );
        assert_eq!(listening_socket(table, 3001), None);
        for end in 0..table.len() {
            let _ = listening_socket(&table[..end], 3000);
        }
    }
}
