//! `resolve`: what it tells of answers, of none, and of what happens on the way.

use std::io::Write;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::name_server::{A, AAAA, Act, Asked, CNAME, NameServer, SOA, send, wire};
use crate::served::Served;
use crate::support::{Ran, Signal, has_localhost, loopctl, run, signal, start};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/resolve.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

pub(crate) fn assert_valid(document: &Value) {
    let errors: Vec<String> = SCHEMA.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    for query in document["queries"].as_array().unwrap() {
        let end = query["start_ms"].as_f64().unwrap() + query["duration_ms"].as_f64().unwrap();
        assert!(end <= document["duration_ms"].as_f64().unwrap() + 0.002, "{document:#}");
    }
    let ranks = |key: &str| -> Vec<u64> {
        let rows = document["addresses"].as_array().unwrap().iter();
        let mut ranks: Vec<u64> = rows.filter_map(|row| row[key].as_u64()).collect();
        ranks.sort_unstable();
        ranks
    };
    for key in ["system_rank", "dns_rank", "connect_rank"] {
        let ranks = ranks(key);
        assert_eq!(ranks, (1..=ranks.len() as u64).collect::<Vec<_>>(), "{key}\n{document:#}");
    }
}

/// Runs `resolve` against this server alone.
fn resolve(server: &NameServer, args: &[&str]) -> Ran {
    let at = format!("@{}", server.address);
    run(&[&["resolve", "--via", "dns", "--no-search", at.as_str()], args].concat())
}

fn document(server: &NameServer, args: &[&str]) -> Value {
    let ran = resolve(server, &[&["--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

fn soa() -> Vec<u8> {
    [wire("ns.test"), wire("admin.test"), vec![0; 16], vec![0, 0, 0, 9]].concat()
}

/// Two addresses of each family, and nothing else.
fn dual(asked: &Asked) -> Vec<Act> {
    send(match asked.kind {
        A => asked.answer().a(60, [192, 0, 2, 9]).a(60, [192, 0, 2, 2]),
        AAAA => asked.answer().aaaa(50, "2001:db8::1").aaaa(50, "2001:db8::2"),
        _ => asked.answer().raw(2, &wire("test"), SOA, 60, &soa()),
    })
}

#[test]
fn o4_addresses_with_their_places_times_and_servers() {
    let server = NameServer::new(dual);
    let document = document(&server, &["many.test:443"]);
    assert_eq!((&document["outcome"], &document["port"]), (&json!("success"), &json!(443)));
    assert_eq!(document["ascii_name"], "many.test");
    let queries = document["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 2);
    for query in queries {
        assert_eq!(query["server"], server.address.to_string());
        assert_eq!((&query["transport"], &query["result"]), (&json!("udp"), &json!("answered")));
        assert!(query["duration_ms"].as_f64().unwrap() > 0.0);
    }
    let rows = document["addresses"].as_array().unwrap();
    let place = |ip: &str| rows.iter().find(|row| row["ip"] == ip).unwrap();
    assert_eq!(place("192.0.2.9")["dns_rank"], 1, "those of A come first, as they were sent");
    assert_eq!(place("192.0.2.2")["dns_rank"], 2);
    assert_eq!(place("2001:db8::2")["dns_rank"], 4);
    assert_eq!(place("2001:db8::2")["ttl"], 50);
    assert_eq!(place("192.0.2.9")["system_rank"], Value::Null);
    let keys: Vec<_> = document.as_object().unwrap().keys().take(3).collect();
    assert_eq!(keys, ["schema", "version", "name"], "in the order of the contract");
}

#[test]
fn o17_short_is_addresses_alone_in_the_order_of_a_connection() {
    let server = NameServer::new(dual);
    let ran = resolve(&server, &["--short", "many.test"]);
    let document = document(&server, &["many.test"]);
    let mut rows: Vec<&Value> = document["addresses"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| row["connect_rank"].as_u64());
    let wanted: Vec<&str> = rows.iter().map(|row| row["ip"].as_str().unwrap()).collect();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), wanted);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let v4 = resolve(&server, &["--short", "-4", "many.test"]);
    assert_eq!(v4.stdout, "192.0.2.9\n192.0.2.2\n");
    let types: Vec<u16> = server.asked().iter().rev().take(1).map(|asked| asked.kind).collect();
    assert_eq!(types, [A], "nobody is asked for the other family");
}

#[test]
fn o17_interleave_and_order_choose_the_order_of_rows() {
    // 127.0.0.0/8 and ::1 have a source on every machine, so that no rule 1 comes in between.
    let server = NameServer::new(|asked| {
        send(match asked.kind {
            A => asked.answer().a(60, [127, 0, 0, 9]).a(60, [127, 0, 0, 2]),
            _ => asked.answer().aaaa(50, "::1"),
        })
    });
    let short = |args: &[&str]| -> Vec<String> {
        let ran = resolve(&server, &[&["--short", "many.test"], args].concat());
        ran.stdout.lines().map(str::to_owned).collect()
    };
    let (mixed, plain) = (short(&[]), short(&["--interleave", "0"]));
    assert_eq!(mixed.len(), 3);
    assert!(plain == ["::1", "127.0.0.9", "127.0.0.2"] || plain[2] == "::1", "{plain:?}");
    if plain[0] == "::1" {
        assert_eq!(mixed, plain, "one of the first family, then one of the other");
    }
    let told = resolve(&server, &["--order", "dns", "many.test"]).stdout;
    let rows = told.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    assert_eq!(rows.take(3).collect::<Vec<_>>(), ["127.0.0.9", "127.0.0.2", "::1"], "{told}");
}

#[test]
fn o4_each_way_to_have_no_answer_has_a_name_and_status_6() {
    for (rcode, outcome, symbol) in [
        (3, "nxdomain", "NXDOMAIN"),
        (0, "nodata", "NODATA"),
        (2, "servfail", "SERVFAIL"),
        (5, "refused", "REFUSED"),
    ] {
        let soa = soa();
        let server = NameServer::new(move |asked| {
            send(asked.rcode(rcode).raw(2, &wire("test"), SOA, 60, &soa))
        });
        let found = document(&server, &["nothing.test"]);
        assert_eq!((&found["outcome"], &found["exit_code"]), (&outcome.into(), &6.into()));
        assert_eq!(found["error"]["name"], symbol, "{found:#}");
        assert_eq!(found["queries"][0]["result"], outcome);
        let told = resolve(&server, &["nothing.test"]);
        assert_eq!(told.code, Some(6));
        assert!(told.stdout.contains(symbol) && told.stderr.contains(symbol), "{}", told.stdout);
        assert!(told.stderr.starts_with("error: could not resolve `nothing.test`: "));
    }
}

#[test]
fn o4_a_negative_answer_tells_how_long_it_may_be_kept() {
    let server = NameServer::new(dual);
    let ran = resolve(&server, &["-t", "MX", "many.test"]);
    assert!(ran.stdout.contains("negative TTL 9 s (SOA of test.)"), "{}", ran.stdout);
    assert_eq!(document(&server, &["-t", "MX", "many.test"])["queries"][0]["negative_ttl"], 9);
}

#[test]
fn o4_silence_is_a_timeout_and_every_server_has_its_share_of_the_time() {
    let (silent, answering) = (NameServer::silent(), NameServer::new(dual));
    let began = Instant::now();
    let found = document(&silent, &["--timeout", "300ms", "-4", "many.test"]);
    assert!(began.elapsed() >= Duration::from_millis(300), "never early");
    assert_eq!((&found["outcome"], &found["exit_code"]), (&"timeout".into(), &6.into()));
    assert_eq!(found["error"]["kind"], "timeout");
    assert_eq!(silent.asked().len(), 2, "a lost datagram is not the end");
    let next = answering.address.to_string();
    let found = document(&silent, &["--server", &next, "--timeout", "400ms", "-4", "many.test"]);
    assert_eq!(found["outcome"], "success");
    let told = found["queries"][0].clone();
    assert!(told["retries"] == 0 || told["retries"] == 1, "--server is asked before @SERVER");
}

#[test]
fn o4_truncation_and_forgeries_are_told() {
    let server = NameServer::new(|asked| match asked.is_tcp {
        false => {
            let mut forged = asked.answer().a(60, [6, 6, 6, 6]).bytes();
            forged[0] ^= 0xff;
            vec![Act::Send(forged), Act::Send(asked.answer().truncated().bytes())]
        }
        true => send(asked.answer().a(60, [192, 0, 2, 7])),
    });
    let found = document(&server, &["-4", "many.test"]);
    let query = &found["queries"][0];
    assert_eq!((&query["truncated"], &query["transport"]), (&true.into(), &"tcp".into()));
    assert_eq!(query["ignored"], json!(["wrong number"]));
    assert_eq!(found["addresses"][0]["ip"], "192.0.2.7");
    let told = resolve(&server, &["-4", "many.test"]).stdout;
    assert!(told.contains("truncated, retried over tcp"), "{told}");
    assert!(told.contains("1 message ignored (wrong number)"), "{told}");
}

#[test]
fn o4_aliases_are_shown_with_the_addresses_at_their_end() {
    let server = NameServer::new(|asked| {
        let alias = asked.answer().record(CNAME, 30, &wire("many.test"));
        send(match asked.kind {
            A => alias.raw(1, &wire("many.test"), A, 60, &[192, 0, 2, 7]),
            _ => alias.raw(2, &wire("test"), SOA, 60, &soa()),
        })
    });
    let told = resolve(&server, &["www.test"]).stdout;
    assert!(told.contains("alias    www.test. is many.test.  ttl 30"), "{told}");
    let found = document(&server, &["www.test"]);
    assert_eq!(found["addresses"][0]["ip"], "192.0.2.7");
    let answers = found["queries"].as_array().unwrap().iter();
    let answers: Vec<&Value> = answers.flat_map(|it| it["answers"].as_array().unwrap()).collect();
    assert!(answers.iter().any(|it| it["type"] == "CNAME" && it["data"] == "many.test."));
}

#[test]
fn o4_other_types_have_a_table_of_records() {
    let server = NameServer::new(|asked| match asked.kind {
        15 => send(asked.answer().record(15, 60, &[vec![0, 10], wire("mail.test")].concat())),
        16 => send(asked.answer().record(16, 60, b"\x06a text")),
        _ => send(asked.rcode(3)),
    });
    let ran = resolve(&server, &["-t", "mx,TXT", "host.test"]);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        rows[1].split_whitespace().collect::<Vec<_>>(),
        ["host.test.", "60", "MX", "10", "mail.test."]
    );
    assert!(rows[2].ends_with("TXT   \"a text\""), "{rows:?}");
    let found = document(&server, &["-t", "mx,TXT", "host.test"]);
    assert_eq!(found["records"].as_array().unwrap().len(), 2);
    assert_eq!(found["addresses"], json!([]), "nobody asked for addresses");
    let short = resolve(&server, &["--short", "-t", "mx", "host.test"]);
    assert_eq!(short.stdout, "10 mail.test.\n");
    let mixed = document(&server, &["-t", "MX,SRV", "host.test"]);
    assert_eq!(mixed["outcome"], "success", "one of the types has an answer");
    assert_eq!(mixed["queries"][1]["result"], "nxdomain");
}

#[test]
fn dns_02_x_asks_for_the_names_of_an_address() {
    if !has_localhost() {
        return;
    }
    let server = NameServer::new(|asked| match asked.name.as_str() {
        "1.2.0.192.in-addr.arpa." => send(asked.answer().record(12, 60, &wire("host.test"))),
        _ => send(asked.rcode(3)),
    });
    let found = document(&server, &["-x", "192.0.2.1"]);
    assert_eq!(found["records"][0]["data"], "host.test.");
    assert_eq!(resolve(&server, &["--short", "-x", "192.0.2.1"]).stdout, "host.test.\n");
    let none = document(&server, &["-x", "2001:db8::1"]);
    assert_eq!((&none["outcome"], &none["exit_code"]), (&"nxdomain".into(), &6.into()));
    let system = run(&["resolve", "--via", "system", "--json", "-x", "127.0.0.1"]).json();
    assert_valid(&system);
    assert_eq!(system["queries"][0]["answers"][0]["data"], "localhost", "{system:#}");
}

#[test]
fn dns_11_letters_beyond_ascii_are_encoded_and_both_are_told() {
    let server = NameServer::new(|asked| match asked.name.as_str() {
        "xn--bcher-kva.test." => dual(asked),
        _ => send(asked.rcode(3)),
    });
    let found = document(&server, &["b\u{fc}cher.test"]);
    assert_eq!(found["name"], "b\u{fc}cher.test");
    assert_eq!(found["ascii_name"], "xn--bcher-kva.test");
    let told = resolve(&server, &["b\u{fc}cher.test"]).stdout;
    assert!(told.starts_with("b\u{fc}cher.test = xn--bcher-kva.test\n"), "{told}");
    let told = resolve(&server, &["xn--bcher-kva.test"]).stdout;
    assert!(told.contains("(b\u{fc}cher.test)"), "{told}");
}

#[test]
fn dns_03_an_address_needs_nobody() {
    let server = NameServer::silent();
    let found = document(&server, &["::1"]);
    assert_eq!(
        (&found["addresses"][0]["ip"], &found["outcome"]),
        (&"::1".into(), &"success".into())
    );
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn o4_dnssec_a_servers_claim_proves_nothing() {
    const RRSIG: u16 = 46;
    let signature = [
        [0, 1, 13, 2, 0, 0, 0, 60].as_slice(),
        &1_800_000_000_u32.to_be_bytes(),
        &1_790_000_000_u32.to_be_bytes(),
        &1234_u16.to_be_bytes(),
        &wire("test"),
        &[7; 64],
    ]
    .concat();
    let server = NameServer::new(move |asked| {
        let edns = asked.message.len() - 11;
        let wants = asked.message[edns + 7] & 0x80 != 0;
        let answer = asked.answer().a(60, [192, 0, 2, 7]);
        let signed = answer.clone().record(RRSIG, 60, &signature).flags(0x0020);
        send(if wants { signed } else { answer })
    });
    let found = document(&server, &["--dnssec", "-4", "many.test"]);
    let query = &found["queries"][0];
    assert_eq!((&query["signed"], &query["flags"]["authentic"]), (&true.into(), &true.into()));
    assert_eq!((&query["result"], &found["outcome"]), (&found["outcome"], &"indeterminate".into()));
    assert_eq!(
        (&query["dnssec"]["proof"], &found["exit_code"]),
        (&"indeterminate".into(), &6.into())
    );
    let signature = query["answers"][1].clone();
    assert_eq!(signature["type"], "RRSIG");
    assert!(signature["data"].as_str().unwrap().starts_with("A "), "{signature}");
    let told = resolve(&server, &["--dnssec", "-4", "many.test"]).stdout;
    assert!(told.contains("A: indeterminate: the server gives no signatures at all"), "{told}");
    assert!(told.contains("(AD set by the server)"), "{told}");
    let plain = document(&server, &["-4", "many.test"]);
    assert_eq!(plain["queries"][0]["signed"], false, "nobody asked for it");
    assert_eq!((&plain["queries"][0]["dnssec"], &plain["exit_code"]), (&Value::Null, &0.into()));
}

/// The server of `serve --tls` hands each connection on to one that speaks plain TCP.
#[test]
fn o4_servers_over_tls_are_trusted_by_the_certificates_of_this_host() {
    let server = NameServer::new(dual);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cert.pem");
    let program = env!("CARGO_BIN_EXE_loopctl");
    let relay = format!("{program} connect --relay {}", server.address);
    let served =
        Served::start(&["--tls", "--tls-cert-file", file.to_str().unwrap(), "--exec", &relay]);
    let asked = |name: &str, trusted: bool| -> Ran {
        let at = format!("@tls://{}#{name}", served.address);
        let mut command = loopctl();
        command.args(["resolve", "--via", "dns", "--no-search", "-4", "--json", &at, "many.test"]);
        if trusted {
            command.env("SSL_CERT_FILE", &file);
        }
        command.output().unwrap().into()
    };
    let found = asked("localhost", true).json();
    assert_valid(&found);
    assert_eq!(
        (&found["outcome"], found["addresses"].as_array().unwrap().len()),
        (&"success".into(), 2)
    );
    assert_eq!(found["queries"][0]["transport"], "tls");
    for (name, trusted) in [("localhost", false), ("other.test", true)] {
        let ran = asked(name, trusted);
        let found = ran.json();
        assert_valid(&found);
        assert_eq!((ran.code, &found["outcome"]), (Some(6), &"error".into()));
        assert!(ran.stderr.contains("certificate"), "{}", ran.stderr);
    }
}

#[test]
fn o4_search_completes_short_names_unless_told_not_to() {
    let server = NameServer::new(|asked| send(asked.rcode(3)));
    let at = format!("@{}", server.address);
    let searched = |args: &[&str]| {
        let before = server.asked().len();
        let args = [&["resolve", "--via", "dns", "-4", &at], args].concat();
        let mut command = loopctl();
        assert_eq!(command.args(args).output().unwrap().status.code(), Some(6));
        server.asked()[before..].iter().map(|asked| asked.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(searched(&["--no-search", "db"]), ["db."]);
    assert_eq!(searched(&["db.test."]), ["db.test."], "it is complete");
    assert_eq!(searched(&["--search", "db"]).last().unwrap(), "db.", "as it is, at the end");
}

#[test]
fn many_names_are_told_in_order_and_share_a_status_or_are_mixed() {
    let server = NameServer::new(|asked| match asked.name.as_str() {
        "slow.test." => vec![
            Act::Wait(Duration::from_millis(60)),
            Act::Send(asked.answer().a(60, [192, 0, 2, 1]).bytes()),
        ],
        "none.test." => send(asked.rcode(3)),
        _ => send(asked.answer().a(60, [192, 0, 2, 2])),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("names");
    std::fs::write(&file, "# mine\nslow.test\nnone.test # gone\n\n").unwrap();
    let path = file.to_str().unwrap();
    let ran = resolve(&server, &["-4", "--ndjson", "--names", path, "quick.test"]);
    let documents: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    documents.iter().for_each(assert_valid);
    let names: Vec<_> = documents.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["quick.test", "slow.test", "none.test"], "in the order asked");
    assert_eq!(ran.code, Some(1));
    let ran = resolve(&server, &["-4", "--json", "--targets", path]);
    assert_eq!(ran.json().as_array().unwrap().len(), 2);
    let told = resolve(&server, &["-4", "--names", path]).stdout;
    assert!(told.starts_with("slow.test\n") && told.contains("\n\nnone.test  no such"), "{told}");
    let mut child = loopctl();
    let at = format!("@{}", server.address);
    child.args(["resolve", "--via", "dns", "--short", "-4", &at, "--names", "-"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"slow.test\nquick.test\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.stdout, "192.0.2.1\n192.0.2.2\n");
}

#[test]
fn an_interrupted_name_has_a_document_as_well() {
    let server = NameServer::silent();
    let at = format!("@{}", server.address);
    let child = start(&["resolve", "--via", "dns", "-4", "--json", &at, "many.test"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.asked().is_empty() {
        assert!(Instant::now() < deadline, "nobody asks");
        std::thread::yield_now();
    }
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let status = output.status;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_valid(&document);
    assert_eq!(
        (&document["outcome"], &document["exit_code"]),
        (&"interrupted".into(), &130.into())
    );
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
}

#[test]
fn what_makes_no_sense_is_a_usage_error_in_words() {
    let table: [(&[&str], &str); 10] = [
        (&[], "no name to resolve"),
        (&["@quic://1.1.1.1", "a.test"], "udp, tcp, tls and https"),
        (&["-t", "NOSUCH", "a.test"], "no type of DNS record"),
        (&["--via", "system", "-t", "MX", "a.test"], "addresses only"),
        (
            &["--via", "system", "--server", "1.1.1.1", "a.test"],
            "--server and --dnssec need --via dns or both",
        ),
        (&["--trace", "@tls://1.1.1.1", "a.test"], "--trace takes udp:// and tcp:// only"),
        (&["-x", "127.0.0.1", "a.test"], "-x takes addresses only"),
        (&["--qlog", "f", "a.test"], "resolve makes none"),
        (&["a..test"], "1 to 63"),
        (&["--short", "--json", "a.test"], "cannot be used with"),
    ];
    for (args, why) in table {
        let ran = run(&[&["resolve"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
    }
    let missing = run(&["resolve", "--names", "/no/such/file"]);
    assert_eq!(missing.code, Some(26), "{}", missing.stderr);
}

#[test]
fn v_tells_every_step_and_q_nothing() {
    let server = NameServer::new(dual);
    let told = resolve(&server, &["-v", "many.test"]).stderr;
    for kind in ["A", "AAAA"] {
        let steps = told.lines().filter(|line| line.contains(&format!("many.test. {kind}  ")));
        let steps: Vec<&str> = steps.collect();
        let [ask, answer] = steps[..] else { panic!("{told}") };
        assert!(ask.contains("  ask 127.0.0.1:"), "{told}");
        assert!(answer.contains("NOERROR from 127.0.0.1:"), "{told}");
    }
    let quiet = resolve(&server, &["-q", "many.test"]);
    assert_eq!((quiet.code, quiet.stdout + &quiet.stderr), (Some(0), String::new()));
}
