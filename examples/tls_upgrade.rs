//! TLS with certificates of both sides, started inside a plain-text protocol: `cargo run --example tls_upgrade`.
//!
//! Server and client are in this process. The client says STARTTLS, and the server knows it by its certificate.
#![allow(clippy::print_stdout)]

use loopctl::{BoxError, PeerCertificate, StreamReader, StreamWriter, TlsClient, TlsServer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate of the authority and its key, in PEM.
fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
) -> Result<(String, String), BoxError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

async fn serve(
    tls: TlsServer,
    mut reader: StreamReader,
    mut writer: StreamWriter,
) -> Result<(), BoxError> {
    if reader.read_line().await? != b"STARTTLS\n" {
        return Ok(writer.write_all(b"only STARTTLS is understood\n").await?);
    }
    writer.write_all(b"go ahead\n").await?;
    writer.start_tls(tls).await?;
    let info = writer.transport().tls().ok_or("the connection is plain")?;
    let client = info.peer.chain.first().and_then(|der| PeerCertificate::read(der));
    let name = client.and_then(|certificate| certificate.common_name).unwrap_or_default();
    let line = format!("hello {name}\n");
    writer.write_all(line.as_bytes()).await?;
    Ok(())
}

fn main() -> Result<(), BoxError> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let (certificate, key) = issue(&authority, "server.test")?;
    let server_tls = TlsServer::builder()
        .identity_pem(certificate, key)
        .client_ca_pem(authority.pem())
        .build()?;
    let (certificate, key) = issue(&authority, "client.test")?;
    let client_tls = TlsClient::builder()
        .ca_pem(authority.pem())
        .identity_pem(certificate, key)
        .build()?
        .server_name("server.test")?;
    loopctl::run(async |event_loop| {
        let server = event_loop.start_server("127.0.0.1", 0, async move |reader, writer| {
            serve(server_tls.clone(), reader, writer).await
        });
        let server = server.await?;
        let port = server.local_addrs()[0].port();
        let (mut reader, mut writer) = event_loop.open_connection("127.0.0.1", port).await?;
        writer.write_all(b"STARTTLS\n").await?;
        print!("{}", String::from_utf8_lossy(&reader.read_line().await?));
        writer.start_tls(client_tls).await?;
        print!("{}", String::from_utf8_lossy(&reader.read_line().await?));
        Ok(())
    })?
}
