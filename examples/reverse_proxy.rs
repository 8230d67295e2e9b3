//! Passes each connection on to a server: `cargo run --example reverse_proxy -- 9000 localhost 80`.
//!
//! The end of one direction is passed on, and the other direction goes on. A slow receiver slows the sender down.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::{env, io};

use futures_util::future::try_join;
use futures_util::io::{AsyncWriteExt, copy};
use loopctl::{BoxError, DuplexStream, LoopHandle};

async fn pass_on(client: DuplexStream, server: DuplexStream) -> io::Result<(u64, u64)> {
    let (from_client, mut to_client) = client.into_parts();
    let (from_server, mut to_server) = server.into_parts();
    let request = async {
        let bytes = copy(from_client, &mut to_server).await?;
        to_server.write_eof();
        Ok(bytes)
    };
    let response = async {
        let bytes = copy(from_server, &mut to_client).await?;
        AsyncWriteExt::close(&mut to_client).await?;
        Ok(bytes)
    };
    try_join(request, response).await
}

async fn serve(
    event_loop: &LoopHandle,
    client: DuplexStream,
    host: &str,
    port: u16,
) -> Result<(), BoxError> {
    let server = event_loop.open_connection(host, port).await?;
    let (request, response) = pass_on(client, server.into()).await?;
    println!("{request} B to the server, {response} B back");
    Ok(())
}

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [port, host, server_port] = arguments.as_slice() else {
        return Err("usage: reverse_proxy PORT SERVER SERVER-PORT".into());
    };
    let (port, server_port): (u16, u16) = (port.parse()?, server_port.parse()?);
    let host = host.clone();
    loopctl::run(async |event_loop| {
        let handle = event_loop.clone();
        let server = event_loop.start_server("localhost", port, async move |reader, writer| {
            let client = DuplexStream::new(reader, writer);
            if let Err(error) = serve(&handle, client, &host, server_port).await {
                eprintln!("{error}");
            }
        });
        let server = server.await?;
        for address in server.local_addrs() {
            println!("listening on {address}");
        }
        server.serve_forever().await?;
        Ok(())
    })?
}
