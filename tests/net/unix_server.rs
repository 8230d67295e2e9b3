//! Servers on Unix sockets: what becomes of the file.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use loopctl::plan::Target;
use loopctl::{Address, LoopHandle, Phase, Server, ServerError};
use socket2::SockRef;

use crate::support::{
    Guests, Recorder, abstract_name, descriptors, fails_soon, in_child, ms, run, turns, until,
};

async fn serve(event_loop: &LoopHandle, path: &Path) -> Result<Server, ServerError> {
    event_loop.create_unix_server(path).serve(Recorder::new).await
}

/// On a file that was left behind a moment ago; see [`fails_soon`] for why that takes patience.
async fn serve_on_stale(event_loop: &LoopHandle, path: &Path) -> Server {
    loop {
        match serve(event_loop, path).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => event_loop.sleep(ms(1)).await,
            result => return result.unwrap(),
        }
    }
}

fn room() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    (directory, path)
}

#[test]
fn unix_a_server_has_clients() {
    let (_directory, path) = room();
    run(async |event_loop| {
        let guests = Guests::new();
        let server = event_loop.create_unix_server(&path).serve(guests.factory()).await.unwrap();
        assert_eq!(server.addresses(), [Address::Unix(path.clone())]);
        assert!(server.local_addrs().is_empty());
        assert_eq!(format!("{server:?}"), format!("<Server sockets=(unix:{})>", path.display()));
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"hello").unwrap();
        until(&event_loop, || guests.made() == 1).await;
        turns(&event_loop, 4).await;
        client.read_exact(&mut [0; 5]).unwrap();
        server.close();
        assert_eq!(server.close_clients(), 1);
        server.wait_closed().await;
    });
}

#[test]
fn unix_03_a_stale_socket_file_is_replaced() {
    let (_directory, path) = room();
    drop(UnixListener::bind(&path).unwrap());
    run(async |event_loop| {
        let _server = serve_on_stale(&event_loop, &path).await;
        UnixStream::connect(&path).unwrap();
    });
}

#[test]
fn unix_03_what_is_no_socket_is_never_removed() {
    let (directory, path) = room();
    let elsewhere = directory.path().join("elsewhere");
    drop(UnixListener::bind(&elsewhere).unwrap());
    run(async |event_loop| {
        fs::write(&path, "precious").unwrap();
        let error = serve(&event_loop, &path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&format!("unix:{}", path.display())), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        // A link is not what it points to.
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(serve(&event_loop, &path).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(path.is_symlink() && elsewhere.exists());
    });
}

#[test]
fn unix_03_a_server_that_runs_keeps_its_file() {
    let (_directory, path) = room();
    run(async |event_loop| {
        let guests = Guests::new();
        let _first = event_loop.create_unix_server(&path).serve(guests.factory()).await.unwrap();
        let error = serve(&event_loop, &path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let _client = UnixStream::connect(&path).unwrap();
        until(&event_loop, || guests.made() == 1).await;
        assert_eq!(guests.lost(), 0, "to look for it was no visit");
    });
}

#[test]
fn unix_04_an_abstract_name_needs_no_file() {
    let name = abstract_name();
    let text = format!("unix:@{name}");
    let Ok(Target::Unix(path)) = text.parse() else { panic!("{text} is a target") };
    assert_eq!(path, Path::new(&format!("\0{name}")));
    assert_eq!(Target::Unix(path.clone()).to_string(), text);
    assert_eq!("unix:./@x".parse(), Ok(Target::Unix("./@x".into())));
    run(async |event_loop| {
        let guests = Guests::new();
        let server = event_loop.create_unix_server(&path).serve(guests.factory()).await.unwrap();
        assert_eq!(server.addresses(), [Address::Unix(path.clone())]);
        assert_eq!(format!("{server:?}"), format!("<Server sockets=({text})>"));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let _client = UnixStream::connect_addr(&address).unwrap();
        until(&event_loop, || guests.made() == 1).await;
        let error = serve(&event_loop, &path).await.unwrap_err();
        assert!(error.to_string().contains(&text), "{error}");
        server.close();
        assert!(fails_soon(|| UnixStream::connect_addr(&address)).is_some());
    });
}

#[test]
fn unix_06_nothing_is_left_of_a_bind_that_fails() {
    in_child("unix_server::unix_06_nothing_is_left_of_a_bind_that_fails", || {
        let (directory, path) = room();
        let before = descriptors();
        run(async |event_loop| {
            let lost = directory.path().join("no/such/directory");
            let before = descriptors();
            let ServerError::Bind(refused) = serve(&event_loop, &lost).await.unwrap_err() else {
                panic!()
            };
            assert_eq!((refused.phase, refused.error.kind()), (Phase::Bind, ErrorKind::NotFound));
            fs::write(&path, "in the way").unwrap();
            serve(&event_loop, &path).await.unwrap_err();
            assert_eq!(descriptors(), before);
        });
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn unix_07_the_file_goes_with_the_server() {
    let (_directory, path) = room();
    run(async |event_loop| {
        let server = serve(&event_loop, &path).await.unwrap();
        server.close();
        assert!(!path.exists());
        let creating = event_loop.create_unix_server(&path).start_serving(false);
        let idle = creating.serve(Recorder::new).await.unwrap();
        assert!(path.exists());
        drop(idle);
        assert!(!path.exists(), "one that never served as well");
    });
}

#[test]
fn unix_07_a_file_that_is_gone_or_replaced_is_left() {
    let (directory, path) = room();
    run(async |event_loop| {
        let server = serve(&event_loop, &path).await.unwrap();
        fs::remove_file(&path).unwrap();
        server.close();
        let server = serve(&event_loop, &path).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "someone else's").unwrap();
        server.close();
        assert_eq!(fs::read_to_string(&path).unwrap(), "someone else's");
        fs::remove_file(&path).unwrap();
        let server = serve(&event_loop, &path).await.unwrap();
        let elsewhere = directory.path().join("moved");
        fs::rename(&path, &elsewhere).unwrap();
        let successor = serve(&event_loop, &path).await.unwrap();
        server.close();
        UnixStream::connect(&path).unwrap();
        drop(successor);
        assert!(!path.exists() && elsewhere.exists());
    });
}

#[test]
fn unix_07_the_file_is_kept_where_asked_for() {
    let (_directory, path) = room();
    run(async |event_loop| {
        let creating = event_loop.create_unix_server(&path).cleanup_socket(false);
        let server = creating.serve(Recorder::new).await.unwrap();
        server.close();
        assert!(path.exists());
        let _ = serve_on_stale(&event_loop, &path).await;
        let given = UnixListener::bind(&path).unwrap();
        let server = event_loop.create_server_on(given).serve(Recorder::new).await.unwrap();
        assert_eq!(server.addresses(), [Address::Unix(path.clone())]);
        server.close();
        assert!(path.exists(), "what was bound elsewhere is not ours to remove");
    });
}

#[test]
fn unix_08_a_directory_that_cannot_be_read_fails_in_bind() {
    let (directory, _) = room();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    run(async |event_loop| {
        let error = serve(&event_loop, &file.join("socket")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    });
}

#[test]
fn unix_09_an_unusable_path_is_an_error_before_there_is_a_socket() {
    let long = format!("/tmp/{}", "x".repeat(103));
    let longest = format!("\0{:0>107}", std::process::id());
    let cases = [
        (long, "AF_UNIX path too long: 108 bytes, the limit is 107"),
        ("/tmp/a\0b".to_owned(), "the path of a Unix socket contains a NUL"),
        (String::new(), "the path of a Unix socket is empty"),
        ("\0".to_owned(), "the path of a Unix socket is empty"),
        (format!("{longest}x"), "AF_UNIX path too long: 108 bytes, the limit is 107"),
    ];
    run(async |event_loop| {
        for (path, wanted) in cases {
            let error = serve(&event_loop, Path::new(&path)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().ends_with(wanted), "{error}");
        }
        let _ = serve(&event_loop, Path::new(&longest)).await.unwrap();
    });
}

#[test]
fn unix_permissions_are_what_was_asked_for() {
    let (_directory, path) = room();
    run(async |event_loop| {
        for mode in [0o600, 0o666, 0o777] {
            let creating = event_loop.create_unix_server(&path).permissions(mode);
            let _server = creating.serve(Recorder::new).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    });
}

/// SRV-07: asked for on a Unix socket, it is passed over; newer kernels would refuse.
#[test]
fn srv_07_no_reuse_port_on_unix_sockets() {
    let (_directory, path) = room();
    run(async |event_loop| {
        let creating = event_loop.create_unix_server(&path).reuse_port(true);
        let server = creating.serve(Recorder::new).await.unwrap();
        // Older kernels would take it.
        let set = server.with_sockets(|socket| SockRef::from(&socket).reuse_port().unwrap());
        assert_eq!(set, [false]);
    });
}
