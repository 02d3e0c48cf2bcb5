//! Addresses to listen on, as Go's `net.Listen` takes them.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait in the kernel to be accepted: the number that tokio takes. Who comes when they are as many tries
/// again a second later, which is better than to wait behind more.
const BACKLOG: i32 = 1024;

/// Reads `127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`, `:8443` for every address of this machine, and `8443` for this
/// machine only, as the default is.
///
/// # Errors
/// For anything else, with examples.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    let address = match host {
        "" => port.parse().map(|port| (Ipv6Addr::UNSPECIFIED, port).into()).ok(),
        "localhost" => port.parse().map(|port| (Ipv4Addr::LOCALHOST, port).into()).ok(),
        _ => text.parse().ok(),
    };
    address.ok_or_else(|| {
        "is no address such as 127.0.0.1:8443, [::1]:8443, localhost:8443, or :8443 for every address of this \
         machine"
            .to_owned()
    })
}

/// Listens on the address that `flag` was given.
pub(super) fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = match bind(address) {
        // Without IPv6 every address is every address of IPv4.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != ErrorKind::AddrInUse => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into()).map_err(|_| error)
        }
        bound => bound,
    };
    listener.with_context(|| format!("cannot listen on {flag} {address}"))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // IPv4, too, whatever net.ipv6.bindv6only is; Go's favoriteAddrFamily (net/ipsock_posix.go) does so.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:8443", "127.0.0.1:8443")]
    #[case("0.0.0.0:8443", "0.0.0.0:8443")]
    #[case("[::1]:8443", "[::1]:8443")]
    #[case(":8443", "[::]:8443")]
    #[case("localhost:8443", "127.0.0.1:8443")]
    #[case("8443", "127.0.0.1:8443")]
    #[case(":0", "[::]:0")]
    fn addresses_are_as_people_write_them(#[case] text: &str, #[case] address: &str) {
        assert_eq!(parse_listen(text).unwrap().to_string(), address);
    }

    #[rstest]
    fn anything_else_is_answered_with_examples(
        #[values(
            "",
            ":",
            "nowhere",
            "nowhere:8443",
            "127.0.0.1",
            "::1:8443",
            ":65536",
            "*:8443",
            "localhost",
            "localhost:",
            ":http",
            "-1",
            " 8443"
        )]
        text: &str,
    ) {
        let error = parse_listen(text).unwrap_err();
        assert!(error.contains("127.0.0.1:8443"), "{error}");
    }

    #[tokio::test]
    async fn every_address_is_also_every_address_of_ipv4() {
        let listener = listen("--listen", parse_listen(":0").unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }
}
