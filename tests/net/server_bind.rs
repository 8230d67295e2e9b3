//! From hosts to listening sockets: which, in which order, on which ports, and what goes wrong.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use loopctl::plan::Family;
use loopctl::{AddrInfoFlags, Hosts, Phase, ServerError};
use socket2::{Domain, SockRef, Socket, Type};

use crate::skip::{has_localhost, has_program, skipped};
use crate::support::{Guests, Recorder, descriptors, has_ipv6, in_child, is_refused, run, step};

fn ports(addresses: &[SocketAddr]) -> Vec<u16> {
    addresses.iter().map(SocketAddr::port).collect()
}

#[test]
fn srv_01_no_host_is_all_interfaces() {
    if !has_ipv6() {
        return;
    }
    run(async |event_loop| {
        for hosts in [Hosts::from(""), Hosts::all()] {
            let server = event_loop.create_server(hosts, 0).serve(Recorder::new).await.unwrap();
            let mut ips: Vec<_> =
                server.local_addrs().iter().map(|address| address.ip().to_string()).collect();
            ips.sort();
            assert_eq!(ips, ["0.0.0.0", "::"]);
        }
    });
}

#[test]
fn srv_01_flags_replace_passive() {
    run(async |event_loop| {
        let creating = event_loop.create_server("", 0).flags(AddrInfoFlags::default());
        let server = creating.family(Family::Inet).serve(Recorder::new).await.unwrap();
        assert_eq!(server.local_addrs()[0].ip().to_string(), "127.0.0.1");
    });
}

#[test]
fn srv_01_02_several_hosts_in_their_order_and_duplicates_once() {
    run(async |event_loop| {
        let port = TcpListener::bind("127.0.0.3:0").unwrap().local_addr().unwrap().port();
        let hosts = vec!["127.0.0.3", "127.0.0.2", "127.0.0.3", "127.0.0.1"];
        let server = event_loop.create_server(hosts, port).serve(Recorder::new).await.unwrap();
        let wanted = ["127.0.0.3", "127.0.0.2", "127.0.0.1"].map(|ip| format!("{ip}:{port}"));
        let found: Vec<_> = server.local_addrs().iter().map(ToString::to_string).collect();
        assert_eq!(found, wanted, "SRV-02: asyncio's order is that of a set");
    });
}

#[test]
fn srv_01_an_empty_list_is_an_error() {
    run(async |event_loop| {
        let error = event_loop.create_server([""; 0], 0).serve(Recorder::new).await.unwrap_err();
        assert_eq!(error.to_string(), "could not bind on any address out of []");
    });
}

#[test]
fn srv_01_a_name_without_addresses() {
    run(async |event_loop| {
        let hosts = ["127.0.0.1", "no-such-host.invalid"];
        let error = event_loop.create_server(hosts, 0).serve(Recorder::new).await.unwrap_err();
        assert!(matches!(error, ServerError::Resolve(_)), "{error:?}");
    });
}

#[test]
fn srv_03_04_each_family_has_its_port_unless_asked_for_the_same() {
    if !has_ipv6() {
        return;
    }
    run(async |event_loop| {
        for _ in 0..20 {
            let creating =
                event_loop.create_server(["127.0.0.1", "::1", "127.0.0.2"], 0).same_port(true);
            let server = creating.serve(Recorder::new).await.unwrap();
            let ports = ports(&server.local_addrs());
            assert!(ports[0] != 0 && ports == [ports[0]; 3], "{ports:?}");
        }
        let each =
            event_loop.create_server(["127.0.0.1", "127.0.0.2"], 0).serve(Recorder::new).await;
        assert!(!ports(&each.unwrap().local_addrs()).contains(&0));
    });
}

/// All but one of a handful of ports are taken on one of the two addresses, so the kernel's first choice
/// for the other one is most likely useless. It needs a network of its own.
#[test]
fn srv_04_the_same_port_is_tried_again() {
    const TEST: &str = "server_bind::srv_04_the_same_port_is_tried_again";
    if std::env::var_os("LOOPCTL_OWN_NETWORK").is_none() {
        if !has_program("unshare") || !has_program("ip") {
            return;
        }
        let range = "echo '40000 40015' > /proc/sys/net/ipv4/ip_local_port_range";
        let script = format!(
            "ip link set lo up && {range} && LOOPCTL_OWN_NETWORK=1 exec \"$0\" --exact {TEST}"
        );
        let this = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new("unshare");
        let output = command.args(["-rn", "sh", "-c", &script]).arg(this).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        if told.is_empty() {
            return skipped("a network namespace");
        }
        return assert!(output.status.success() && told.contains("1 passed"), "{told}{complained}");
    }
    // The kernel tries the eight odd ones first: one try in eight finds it, and so do 32 tries in 98 of 100.
    let free = 40007;
    let taken = (40000..=40015).filter(|port| *port != free);
    let _taken: Vec<_> =
        taken.map(|port| TcpListener::bind(("127.0.0.2", port)).unwrap()).collect();
    run(async |event_loop| {
        let (mut found, mut failed) = (0, 0);
        for _ in 0..20 {
            let creating = event_loop.create_server(["127.0.0.1", "127.0.0.2"], 0).same_port(true);
            match creating.serve(Recorder::new).await {
                Ok(server) => {
                    assert_eq!(ports(&server.local_addrs()), [free; 2]);
                    found += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::AddrInUse);
                    failed += 1;
                }
            }
        }
        assert!(found >= 15, "{found} found it, {failed} did not");
    });
}

#[test]
fn srv_05_both_families_share_a_port() {
    if !has_ipv6() {
        return;
    }
    run(async |event_loop| {
        let server =
            event_loop.create_server("", 0).same_port(true).serve(Recorder::new).await.unwrap();
        let port = server.local_addrs()[0].port();
        assert_eq!(ports(&server.local_addrs()), [port; 2]);
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        TcpStream::connect(("::1", port)).unwrap();
    });
}

#[test]
fn srv_05_one_socket_for_both_families_where_asked_for() {
    if !has_ipv6() {
        return;
    }
    run(async |event_loop| {
        let server =
            event_loop.create_server("", 0).v6_only(false).serve(Recorder::new).await.unwrap();
        let addresses = server.local_addrs();
        assert_eq!((addresses.len(), addresses[0].ip().to_string().as_str()), (1, "::"));
        TcpStream::connect(("127.0.0.1", addresses[0].port())).unwrap();
        TcpStream::connect(("::1", addresses[0].port())).unwrap();
    });
}

#[test]
fn srv_06_reuse_address_and_port() {
    run(async |event_loop| {
        let server = event_loop.create_server("127.0.0.1", 0).serve(Recorder::new).await.unwrap();
        let flags = |server: &loopctl::Server| {
            server.with_sockets(|socket| {
                let socket = SockRef::from(&socket);
                (socket.reuse_address().unwrap(), socket.reuse_port().unwrap())
            })
        };
        assert_eq!(flags(&server), [(true, false)]);
        let creating =
            event_loop.create_server("127.0.0.1", 0).reuse_address(false).reuse_port(true);
        let first = creating.serve(Recorder::new).await.unwrap();
        assert_eq!(flags(&first), [(false, true)]);
        let port = first.local_addrs()[0].port();
        let second =
            event_loop.create_server("127.0.0.1", port).reuse_address(false).reuse_port(true);
        assert_eq!(second.serve(Recorder::new).await.unwrap().local_addrs(), first.local_addrs());
    });
}

#[test]
fn srv_09_a_busy_port_says_which_and_closes_the_others() {
    in_child("server_bind::srv_09_a_busy_port_says_which_and_closes_the_others", || {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        run(async |event_loop| {
            let before = descriptors();
            let creating =
                event_loop.create_server(["127.0.0.2", "127.0.0.1", "127.0.0.3"], address.port());
            let error = creating.serve(Recorder::new).await.unwrap_err();
            let text = format!("error while attempting to bind on address {address}: ");
            assert!(error.to_string().starts_with(&text), "{error}");
            assert_eq!((error.kind(), descriptors()), (ErrorKind::AddrInUse, before));
            let ServerError::Bind(refused) = &error else { panic!("{error:?}") };
            assert_eq!((refused.phase, refused.error.raw_os_error()), (Phase::Bind, Some(98)));
            assert_eq!(io::Error::from(error).kind(), ErrorKind::AddrInUse);
        });
    });
}

#[test]
fn srv_10_an_address_that_is_not_there_is_skipped_and_told() {
    run(async |event_loop| {
        // TEST-NET-2: no host has it.
        let creating = event_loop.create_server(["198.51.100.77", "127.0.0.1"], 0).same_port(true);
        let server = creating.serve(Recorder::new).await.unwrap();
        assert_eq!(server.local_addrs()[0].ip().to_string(), "127.0.0.1");
        let [skipped] = server.skipped() else { panic!("{:?}", server.skipped()) };
        assert_eq!(skipped.error.kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(skipped.address.to_string(), "198.51.100.77:0");
    });
}

#[test]
fn srv_10_no_address_left_is_an_error() {
    run(async |event_loop| {
        let hosts = ["198.51.100.77", "203.0.113.77"];
        let error = event_loop.create_server(hosts, 80).serve(Recorder::new).await.unwrap_err();
        let wanted = "could not bind on any address out of [198.51.100.77:80, 203.0.113.77:80]";
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::AddrNotAvailable, wanted)
        );
    });
}

#[test]
fn srv_13_a_socket_that_was_bound_elsewhere() {
    run(async |event_loop| {
        let guests = Guests::new();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let server = event_loop.create_server_on(socket).serve(guests.factory()).await.unwrap();
        assert_eq!(server.local_addrs(), [address]);
        guests.invite(&event_loop, address).await;
        server.close();
        assert!(is_refused(address), "the server owned it");
    });
}

/// As systemd hands it over: it listens, and has clients waiting.
#[test]
fn srv_13_a_socket_that_listens_already() {
    run(async |event_loop| {
        let guests = Guests::new();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let _server = event_loop.create_server_on(socket).serve(guests.factory()).await.unwrap();
        crate::support::until(&event_loop, || guests.made() == 1).await;
    });
}

#[test]
fn srv_13_a_stream_socket_was_expected() {
    run(async |event_loop| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = event_loop.create_server_on(socket).serve(Recorder::new).await.unwrap_err();
        assert!(error.to_string().starts_with("A Stream Socket was expected"), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

/// Two sockets can have an address as long as neither listens.
#[test]
fn srv_15_a_server_that_cannot_listen_is_closed() {
    run(async |event_loop| {
        let idle = event_loop.create_server("127.0.0.1", 0).start_serving(false);
        let idle = idle.serve(Recorder::new).await.unwrap();
        let address = idle.local_addrs()[0];
        let quicker = event_loop.create_server("127.0.0.1", address.port());
        let quicker = quicker.serve(Recorder::new).await.unwrap();
        let error = idle.start_serving().unwrap_err();
        let text = format!("error while attempting to listen on address {address}: ");
        assert!(error.to_string().starts_with(&text), "{error}");
        assert!(idle.local_addrs().is_empty() && quicker.is_serving());
        assert!(matches!(idle.start_serving(), Err(ServerError::Closed)));
    });
}

#[test]
fn srv_a_dropped_future_leaves_nothing() {
    if !has_localhost() {
        return;
    }
    in_child("server_bind::srv_a_dropped_future_leaves_nothing", || {
        run(async |event_loop| {
            let _ = event_loop.create_server("localhost", 0).serve(Recorder::new).await.unwrap();
            let before = descriptors();
            for _ in 0..20 {
                let mut serving =
                    Box::pin(event_loop.create_server("localhost", 0).serve(Recorder::new));
                // Most often the resolver is not as quick as this.
                let _ = step(&mut serving);
            }
            // The resolver's threads still read files for lookups that nobody waits for.
            crate::support::until(&event_loop, || descriptors() == before).await;
        });
    });
}
