//! Listening on the port, and naming who is there already.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

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

/// How often a port is drawn at most, where the first address has it free and another one has not.
const DRAWS: usize = 20;

/// Listens on a port of every address. With port 0 the first address chooses, and the others follow; where one of them
/// cannot, another port is chosen.
///
/// Where the addresses are but the default, one that the machine lacks (no IPv6, say) is left out.
pub(crate) fn listen(
    addresses: &[IpAddr],
    port: u16,
    by_default: bool,
) -> Result<Listening, Failure> {
    let addresses = distinct(addresses);
    let mut draw = 1;
    loop {
        match try_listen(&addresses, port, by_default) {
            Ok(listening) if listening.listeners.is_empty() => {
                return Err(
                    Failure::world("this machine has none of the addresses to listen on")
                        .hint("name others with --bind"),
                );
            }
            Ok(listening) => return Ok(listening),
            Err((_, error))
                if port == 0 && error.kind() == io::ErrorKind::AddrInUse && draw < DRAWS =>
            {
                draw += 1;
            }
            Err((wanted, error)) => return Err(refused(wanted, &error)),
        }
    }
}

/// Leaves out what stands there twice, and what an address for the whole machine (`0.0.0.0`, `::`) has in it already.
fn distinct(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut distinct: Vec<IpAddr> = Vec::new();
    for address in addresses {
        let covered = addresses.iter().any(|whole| {
            whole.is_unspecified() && whole.is_ipv4() == address.is_ipv4() && whole != address
        });
        if !covered && !distinct.contains(address) {
            distinct.push(*address);
        }
    }
    distinct
}

/// Listens on every address; the error names the one that could not be had.
fn try_listen(
    addresses: &[IpAddr],
    port: u16,
    by_default: bool,
) -> Result<Listening, (SocketAddr, io::Error)> {
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
            Err(error) => return Err((wanted, error)),
        }
    }
    Ok(listening)
}

/// Connections that may wait to be taken.
const BACKLOG: i32 = 1024;

fn bind(address: SocketAddr) -> io::Result<(TcpListener, u16)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // Each address stands for itself: `::` must leave the port to `0.0.0.0`.
        socket.set_only_v6(true)?;
    }
    // A port that was just given up is free at once.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
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
        let who = holder(address).unwrap_or_else(|| "another program".to_owned());
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

/// Finds who else listens where we want to, as far as the system shows it.
fn holder(wanted: SocketAddr) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening_sockets(&table, wanted))
        .find_map(|socket| match process_of(socket.inode) {
            // Our own listener on another address is nobody to complain of.
            Some((pid, _)) if pid == std::process::id() => None,
            Some((pid, name)) => Some(format!("process {pid} ({name})")),
            // Other people's processes do not show their files.
            None => Some(format!("a program of user {}", socket.owner)),
        })
}

/// Finds the process that holds a socket, and its name.
fn process_of(inode: u64) -> Option<(u32, String)> {
    let link = format!("socket:[{inode}]");
    std::fs::read_dir("/proc")
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
            Some((pid, name.trim().to_owned()))
        })
}

/// A listening socket, as the kernel lists it.
#[derive(Debug, Eq, PartialEq)]
struct KernelSocket {
    owner: u32,
    inode: u64,
}

/// Finds the sockets in the text of `/proc/net/tcp` or `tcp6` (proc(5)) that keep us from an address.
fn listening_sockets(table: &str, wanted: SocketAddr) -> Vec<KernelSocket> {
    const LISTENING: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, port) = fields.get(1)?.rsplit_once(':')?;
        let in_the_way = u16::from_str_radix(port, 16).ok()? == wanted.port()
            && *fields.get(3)? == LISTENING
            && overlap(kernel_address(address)?, wanted.ip());
        in_the_way.then_some(())?;
        Some(KernelSocket {
            owner: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// Reads an address as the kernel lists it: words of 32 bits in hexadecimal digits, each in the machine's own order.
fn kernel_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.as_flattened().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

/// Says whether a socket on one address keeps others from another. One on `::` may have taken IPv4 as well.
fn overlap(held: IpAddr, wanted: IpAddr) -> bool {
    let same_kind = held.is_ipv4() == wanted.is_ipv4();
    held.to_canonical() == wanted.to_canonical()
        || held.is_unspecified() && (same_kind || held.is_ipv6())
        || wanted.is_unspecified() && same_kind
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That another process is named can only be seen from another process.
    #[test]
    fn a_taken_port_never_names_ourselves() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = listen(&[loopback], 0, false).expect("free");
        let failure = listen(&[loopback], first.port, true).expect_err("taken");
        let text = failure.to_string();
        let who = format!("port {} is taken by another program", first.port);
        assert!(text.contains(&who), "{text}");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn the_whole_machine_can_be_listened_on_in_both_kinds_of_address() {
        let all: Vec<IpAddr> = ["127.0.0.1", "0.0.0.0", "::", "::1", "0.0.0.0"]
            .map(|text| text.parse().expect("an address"))
            .to_vec();
        let kept: Vec<String> = distinct(&all).iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["0.0.0.0", "::"]);
        // A machine without IPv6 has the first alone.
        let listening = listen(&all, 0, true).expect("free");
        assert_eq!(
            listening.listeners.len() + listening.lacking.len(),
            2,
            "{listening:?}"
        );
        let twice: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(); 2];
        assert_eq!(listen(&twice, 0, false).expect("free").listeners.len(), 1);
    }

    #[test]
    fn with_port_0_a_port_is_found_that_is_free_on_every_address() {
        let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        // Most ports are free on both, so this shows at least that drawing again does no harm.
        let all: Vec<Listening> = (0..50)
            .map(|_| listen(&both, 0, true).expect("free"))
            .collect();
        assert_eq!(all.len(), 50);
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
        let held = |address: &str| {
            let wanted = address.parse().expect("an address");
            let sockets = listening_sockets(table, wanted);
            sockets
                .iter()
                .map(|socket| socket.inode)
                .collect::<Vec<_>>()
        };
        assert_eq!(held("127.0.0.1:3000"), [22]);
        assert_eq!(held("0.0.0.0:3000"), [22]);
        assert_eq!(held("127.0.0.1:3001"), [0_u64; 0]);
        // Neither another address nor the other kind is in the way.
        assert_eq!(held("127.0.0.2:3000"), [0_u64; 0]);
        assert_eq!(held("[::1]:3000"), [0_u64; 0]);
        for end in 0..table.len() {
            let _ = listening_sockets(&table[..end], "127.0.0.1:3000".parse().expect("valid"));
        }
    }

    #[test]
    fn an_address_of_the_kernels_is_read_in_both_kinds() {
        // As a machine of the usual kind lists them.
        if cfg!(target_endian = "little") {
            assert_eq!(kernel_address("0100007F"), Some(Ipv4Addr::LOCALHOST.into()));
            assert_eq!(
                kernel_address("00000000000000000000000001000000"),
                Some(Ipv6Addr::LOCALHOST.into())
            );
        }
        assert_eq!(kernel_address("0100007"), None);
        assert_eq!(kernel_address("0100007é"), None);
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        assert!(overlap(any, Ipv4Addr::LOCALHOST.into()));
        assert!(!overlap(Ipv4Addr::UNSPECIFIED.into(), any));
    }
}
