//! `serve --tls --fault`: what is wrong with a handshake, or with the end, as a client sees it.

use std::io::Read;

use crate::support::{Signal, run};
use crate::tls_clients::Private;

#[test]
fn tls_stall_never_answers_and_stays() {
    let mut tls = Private::start(&["--fault", "tls-stall"]);
    let script = "
s = socket.create_connection(('127.0.0.1', port)); s.settimeout(0.3)
try:
    c.wrap_socket(s, server_hostname='localhost')
except TimeoutError:
    print('silence')";
    let Some(told) = tls.python("", script) else { return };
    assert_eq!(told, "silence");
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["faults"][0]), (&"fault".into(), &"tls-stall".into()));
    assert_eq!((&record["tls"], &record["bytes_in"]), (&serde_json::Value::Null, &0.into()));
}

#[test]
fn tls_stall_is_for_the_idle_timeout_and_the_end_of_the_server() {
    let mut tls = Private::start(&["--fault", "tls-stall", "--idle-timeout", "200ms"]);
    let mut stream = tls.server.connect();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let record = tls.server.record();
    assert_eq!(record["end"], "idle");
    assert!(record["duration_ms"].as_f64().unwrap() >= 200.0, "{record}");
    let mut tls = Private::start(&["--fault", "tls-stall", "--mode", "blackhole", "-n", "1"]);
    let mut stream = tls.server.connect();
    tls.server.signal(Signal::TERM);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(tls.server.record()["end"], "shutdown");
    assert_eq!(tls.server.end().code, Some(0));
}

#[test]
fn tls_close_ends_after_the_first_message() {
    for mode in ["echo", "blackhole"] {
        let mut tls = Private::start(&["--fault", "tls-close", "--mode", mode]);
        let Some(told) = tls.python("", "print(refusal())") else { return };
        assert_eq!(told, "UNEXPECTED_EOF_WHILE_READING", "no reset, and no alert");
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["faults"][0]), (&"fault".into(), &"tls-close".into()));
        assert_eq!((&record["error"], &record["bytes_in"]), (&serde_json::Value::Null, &0.into()));
    }
}

#[test]
fn tls_close_waits_for_all_of_the_message() {
    use std::io::Write;
    let mut tls = Private::start(&["--fault", "tls-close"]);
    let mut stream = tls.server.connect();
    // A record of 4 bytes, in three pieces.
    for piece in [&[22, 3][..], &[1, 0, 4, 1], &[2, 3]] {
        stream.write_all(piece).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(stream.read(&mut [0]).is_err(), "not yet");
    }
    stream.write_all(&[4]).unwrap();
    stream.set_read_timeout(None).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(tls.server.record()["end"], "fault");
}

#[test]
fn tls_wrong_name_and_tls_expired_are_wrong_in_nothing_else() {
    let cases = [
        ("tls-wrong-name", "Hostname mismatch, certificate is not valid for 'localhost'."),
        ("tls-expired", "certificate has expired"),
    ];
    for (fault, refusal) in cases {
        let mut tls = Private::start(&["--fault", fault]);
        let Some(told) = tls.python("", "print(refusal())") else { return };
        assert_eq!(told, refusal);
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["faults"][0]), (&"error".into(), &fault.into()));
        assert_eq!(record["error"]["kind"], "tls");
        let careless = "
c.check_hostname = False
if NOW: c.verify_mode = ssl.CERT_NONE
s = connect(); s.sendall(b'x'); print(s.recv(1)); s.unwrap()";
        let careless = careless.replace("NOW", if fault == "tls-expired" { "1" } else { "0" });
        assert_eq!(tls.python("", &careless).unwrap(), "b'x'", "{fault}");
        assert_eq!(tls.server.record()["end"], "eof");
    }
}

#[test]
fn tls_faults_hit_their_share_and_the_others_see_nothing_of_them() {
    let args = ["--fault", "tls-expired@30%", "--fault", "tls-wrong-name@30%", "--fault-seed", "7"];
    let mut all = Vec::new();
    for _ in 0..2 {
        let tls = Private::start(&args);
        let script = "
told = {None: 'fine', 'certificate has expired': 'expired'}
print(*[told.get(refusal(), 'name') for _ in range(40)])";
        let Some(told) = tls.python("", script) else { return };
        for what in ["fine", "expired", "name"] {
            let count = told.matches(what).count();
            assert!((4..32).contains(&count), "{what}: {count} of 40: {told}");
        }
        all.push(told);
    }
    assert_eq!(all[0], all[1], "a seed repeats them");
}

#[test]
fn tls_19_bare_fin_ends_without_a_farewell_when_all_is_sent() {
    for version in ["1.2", "1.3"] {
        let args = ["--fault", "tls-bare-fin", "--shell", "head -c 3000000 /dev/zero"];
        let mut tls = Private::start(&args);
        let script = "
c.options &= ~0x80 # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
s = connect(suppress_ragged_eofs=False); time.sleep(0.3); got = 0
try:
    while True:
        piece = s.recv(65536); got += len(piece)
        if not piece:
            print('farewell'); break
except ssl.SSLEOFError as error:
    print(got, 'bare')";
        let Some(told) = tls.python(version, script) else { return };
        assert_eq!(told, "3000000 bare", "{version}");
        let record = tls.server.record();
        assert_eq!(
            (&record["end"], &record["faults"][0]),
            (&"fault".into(), &"tls-bare-fin".into())
        );
        assert_eq!(record["bytes_out"], 3_000_000);
    }
}

#[test]
fn faults_of_plain_connections_count_from_the_handshake() {
    for fault in ["close", "half-close"] {
        let mut tls = Private::start(&["--fault", fault]);
        let script = "s = connect(); print(s.version(), s.recv(1)); s.close()";
        let Some(told) = tls.python("", script) else { return };
        assert_eq!(told, "TLSv1.3 b''", "{fault}");
        assert_eq!(tls.server.record()["tls"]["version"], "TLSv1.3");
    }
    let mut tls = Private::start(&["--fault", "accept-delay=300ms"]);
    let script = "
t = time.monotonic(); s = connect(); print(time.monotonic() - t >= 0.29); s.unwrap()";
    let Some(told) = tls.python("", script) else { return };
    assert_eq!(told, "True");
    assert_eq!(tls.server.record()["end"], "eof");
}

#[test]
fn tls_faults_need_tls_and_two_of_them_a_certificate_made_here() {
    for kind in ["tls-stall", "tls-close", "tls-wrong-name", "tls-expired", "tls-bare-fin"] {
        let ran = run(&["serve", "--fault", kind]);
        let error = format!("error: --fault {kind} needs --tls\n");
        assert_eq!((ran.code, ran.stderr), (Some(2), error));
    }
    let ran = run(&["serve", "--tls=a.pem", "--fault", "tls-expired@5%"]);
    let error = "error: --fault tls-expired needs a generated certificate\n\n\
                 hint: write --tls without files\n";
    assert_eq!((ran.code, &ran.stderr[..]), (Some(2), error));
}
