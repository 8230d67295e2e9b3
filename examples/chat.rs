//! A chat room for line clients such as nc(1): `cargo run --example chat -- 127.0.0.1 9000`.
//!
//! Each client gives its name in the first line. A client that does not read is disconnected, because what waits for
//! it would fill the memory of the server.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::rc::Rc;

use loopctl::{BoxError, Flow, StreamReader, StreamWriter};

/// Writers of the clients, by name.
#[derive(Default)]
struct Room(RefCell<HashMap<String, StreamWriter>>);

impl Room {
    fn tell_others(&self, from: &str, text: &str) {
        self.0.borrow_mut().retain(|name, writer| {
            if name == from || writer.write(text.as_bytes()) == Flow::Open {
                return true;
            }
            writer.transport().abort();
            false
        });
    }

    async fn serve(
        &self,
        mut reader: StreamReader,
        mut writer: StreamWriter,
    ) -> Result<(), BoxError> {
        writer.write_all(b"name? ").await?;
        let name = read_text(&mut reader).await?;
        if name.is_empty() || self.0.borrow().contains_key(&name) {
            return Ok(writer.write_all(b"this name cannot be had\n").await?);
        }
        self.0.borrow_mut().insert(name.clone(), writer);
        self.tell_others(&name, &format!("* {name} came\n"));
        let ended = self.relay(&name, &mut reader).await;
        self.0.borrow_mut().remove(&name);
        self.tell_others(&name, &format!("* {name} left\n"));
        ended
    }

    async fn relay(&self, name: &str, reader: &mut StreamReader) -> Result<(), BoxError> {
        loop {
            let text = read_text(reader).await?;
            if text.is_empty() && reader.at_eof() {
                return Ok(());
            }
            self.tell_others(name, &format!("{name}: {text}\n"));
        }
    }
}

async fn read_text(reader: &mut StreamReader) -> Result<String, BoxError> {
    let line = reader.read_line().await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn main() -> Result<(), BoxError> {
    let mut arguments = env::args().skip(1);
    let host = arguments.next().unwrap_or_else(|| "localhost".to_owned());
    let port: u16 = arguments.next().as_deref().unwrap_or("0").parse()?;
    loopctl::run(async |event_loop| {
        let room = Rc::new(Room::default());
        let server = event_loop.start_server(host, port, async move |reader, writer| {
            if let Err(error) = room.serve(reader, writer).await {
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
