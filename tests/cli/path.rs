//! `--path` on loopback, where the target is the first hop.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{Dead, good, refusing, run};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/path.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

fn document(args: &[&str]) -> Value {
    let ran = run(&[&["connect", "--path", "--probes", "1", "--json"], args].concat());
    let document = ran.json();
    let errors: Vec<String> =
        SCHEMA.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

#[test]
fn an_open_and_a_closed_port_are_both_reached() {
    let (_listener, open) = good("127.0.0.1");
    let reached = document(&[&open.to_string()]);
    assert_eq!(reached["outcome"], "success");
    assert_eq!(reached["paths"][0]["hops"][0]["answers"][0]["kind"], "connected");
    let closed = document(&[&refusing("127.0.0.1").to_string()]);
    assert_eq!(closed["exit_code"], 0);
    assert_eq!(closed["paths"][0]["hops"][0]["answers"][0]["kind"], "refused");
}

#[test]
fn silence_is_told_from_a_refusal_and_takes_its_time() {
    let dead = Dead::new("127.0.0.1");
    let document = document(&["--max-hops", "2", &dead.address.to_string()]);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&"timeout".into(), &28.into()));
    assert_eq!(document["paths"][0]["result"], "silent");
    assert!(document["total_ms"].as_f64().unwrap() >= 1000.0, "{document:#}");
}

#[test]
fn every_address_has_a_path_with_all_and_the_first_of_each_family_without() {
    let closed = refusing("127.0.0.1");
    let target = format!("t.test:{}", closed.port());
    let pins = ["--resolve", "t.test:127.0.0.1,127.0.0.2", &target];
    assert_eq!(document(&pins)["paths"].as_array().unwrap().len(), 1);
    let all = document(&[&["--all"], &pins[..]].concat());
    let paths: Vec<&str> =
        all["paths"].as_array().unwrap().iter().map(|path| path["ip"].as_str().unwrap()).collect();
    assert_eq!(paths, ["127.0.0.1", "127.0.0.2"]);
}

#[test]
fn a_name_that_does_not_exist_has_no_path() {
    let document = document(&["nosuchname.invalid:80"]);
    assert_eq!(document["exit_code"], 6);
    assert_eq!(document["error"]["kind"], "dns");
    assert_eq!(document["paths"].as_array().unwrap().len(), 0);
}

#[test]
fn lines_for_machines_have_one_row_a_hop() {
    let closed = refusing("127.0.0.1").to_string();
    let args = ["connect", "--path", "--probes", "1"];
    let csv = run(&[&args[..], &["--csv", &closed]].concat()).stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("target,to,result,hop"), "{csv}");
    assert!(lines[1].starts_with(&format!("{closed},{closed},reached,1,1,1,127.0.0.1,refused")));
    assert_eq!(lines.len(), 2);
    let plain = run(&[&args[..], &["--plain", &closed]].concat()).stdout;
    assert_eq!(plain.lines().next().unwrap().split('\t').count(), 13);
    let ndjson = run(&[&args[..], &["--ndjson", &closed]].concat()).stdout;
    assert_eq!(ndjson.lines().count(), 1);
    assert!(ndjson.starts_with(r#"{"schema":"loopctl.path.v1""#), "{ndjson}");
}

#[test]
fn flags_that_mean_nothing_for_a_path_are_usage_errors() {
    for args in [
        &["--path", "--policy", "curl", "127.0.0.1:1"][..],
        &["--path", "--count", "2", "127.0.0.1:1"],
        &["--path", "--tls", "127.0.0.1:1"],
        &["--path", "--prom", "127.0.0.1:1"],
        &["--path", "--ttl", "3", "127.0.0.1:1"],
        &["--path", "unix:/nosuch"],
        &["--path", "--probes", "0", "127.0.0.1:1"],
        &["--probes", "2", "127.0.0.1:1"],
    ] {
        let ran = run(&[&["connect"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?} {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn a_proxy_of_the_environment_is_named_without_its_password() {
    let mut command = crate::support::loopctl();
    // An address for documentation (RFC 5737): whatever becomes of it, the variable is set.
    command.args(["connect", "--json", "--timeout", "300ms", "192.0.2.1:443"]);
    command.env_remove("https_proxy").env_remove("no_proxy").env_remove("NO_PROXY");
    command.env("HTTPS_PROXY", "http://user:secret@proxy.test:3128");
    let ran: crate::support::Ran = command.output().unwrap().into();
    assert!(!ran.stdout.contains("secret") && !ran.stderr.contains("secret"), "{}", ran.stdout);
    let document = ran.json();
    assert_eq!(document["surroundings"]["proxy"]["url"], "http://user:***@proxy.test:3128");
    let kinds: Vec<&Value> =
        document["why"].as_array().unwrap().iter().map(|why| &why["kind"]).collect();
    assert!(kinds.contains(&&"proxy".into()), "{kinds:?}");
    let refused = refusing("127.0.0.1").to_string();
    let mut command = crate::support::loopctl();
    command.args(["connect", "--json", &refused]).env("HTTPS_PROXY", "http://proxy.test:3128");
    let ran: crate::support::Ran = command.output().unwrap().into();
    assert_eq!(ran.json()["surroundings"]["proxy"], Value::Null, "never for loopback");
}
