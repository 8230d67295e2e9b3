//! Stalls of this host: a process that is stopped in the middle of a race blames nobody else for it.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::json::assert_valid;
use crate::name_server::{A, Act, Asked, NameServer, send};
use crate::support::{Dead, Ran, Signal, signal, start, wait_for_syn};
use crate::tls_peer::Files;

/// Leave to run one of these tests: each needs the processors for itself, or uses all of them.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAUSE: Duration = Duration::from_millis(600);

/// Runs the program, which stands still for `PAUSE` as soon as its first SYN is sent.
fn stopped(first: SocketAddr, args: &[&str]) -> Ran {
    let child = start(&[&["connect"], args].concat());
    wait_for_syn(first);
    signal(&child, Signal::STOP);
    // The stall is what is tested.
    thread::sleep(PAUSE);
    signal(&child, Signal::CONT);
    child.wait_with_output().unwrap().into()
}

/// A silent address and a good one, with the flags that name both.
struct Pair {
    dead: Dead,
    _good: TcpListener,
    flags: [String; 3],
}

impl Pair {
    fn new() -> Self {
        let dead = Dead::new("127.0.0.1");
        let port = dead.address.port();
        let good = TcpListener::bind(("127.0.0.2", port)).unwrap();
        let pins = "h.test:127.0.0.1,127.0.0.2".to_owned();
        Self { dead, _good: good, flags: ["--resolve".to_owned(), pins, format!("h.test:{port}")] }
    }

    fn stopped(&self, args: &[&str]) -> Ran {
        let flags = self.flags.each_ref().map(String::as_str);
        stopped(self.dead.address, &[args, &flags].concat())
    }

    fn undisturbed(&self, args: &[&str]) -> Ran {
        let flags = self.flags.each_ref().map(String::as_str);
        crate::support::run(&[&["connect"], args, &flags].concat())
    }
}

#[test]
fn slow_callback_reports_a_stall_of_the_process_once_and_none_without_one() {
    let (_alone, pair) = (alone(), Pair::new());
    let args = ["--slow-callback", "200ms", "--json", "--happy-eyeballs=100ms"];
    let document = pair.stopped(&args).json();
    let slow = document["slow_callbacks"].as_array().unwrap();
    let stalls: Vec<_> = slow.iter().filter(|it| it["what"] == "the process did not run").collect();
    assert_eq!(stalls.len(), 1, "{document:#}");
    assert_eq!(stalls[0]["count"], 1, "{document:#}");
    // Between the SYN and the signal, the program may go on for a while.
    assert!(stalls[0]["longest_ms"].as_f64().unwrap() >= 400.0, "{document:#}");
    let document = pair.undisturbed(&args).json();
    let slow = document["slow_callbacks"].as_array().unwrap();
    let is_short = |it: &Value| it["longest_ms"].as_f64().unwrap() < 400.0;
    assert!(slow.iter().all(is_short), "{document:#}");
}

#[test]
fn race_r5_a_late_start_is_no_cost_and_a_long_stagger_is() {
    let (_alone, pair) = (alone(), Pair::new());
    let ran = pair.stopped(&["--json", "--max-cost", "400ms", "--happy-eyeballs=100ms"]);
    let document = ran.json();
    let late = document["attempts"][1]["start_lag_ms"].as_f64().unwrap();
    assert!(late >= 300.0, "{document:#}");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for key in ["cost_ms", "he_cost_ms"] {
        let cost = document[key].as_f64().unwrap();
        assert!((99.0..400.0).contains(&cost), "{key}: {cost}");
    }
    assert!(document["total_ms"].as_f64().unwrap() >= 400.0, "{document:#}");
    let ran = pair.undisturbed(&["--json", "--max-cost", "400ms", "--happy-eyeballs=600ms"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.json()["cost_ms"].as_f64().unwrap() >= 599.0);
}

/// A name server that answers about IPv4 after 20 ms, and about IPv6 after 40 ms that there is nothing; and where it
/// tells that it was asked.
fn names() -> (NameServer, Receiver<()>) {
    let (asking, questions) = mpsc::channel();
    let asking = Mutex::new(asking);
    let server = NameServer::new(move |asked: &Asked| {
        let _ = asking.lock().unwrap().send(());
        let (wait, answer) = match asked.kind {
            A => (20, asked.answer().a(60, [127, 0, 0, 1])),
            _ => (40, asked.answer()),
        };
        [Act::Wait(Duration::from_millis(wait))].into_iter().chain(send(answer)).collect()
    });
    (server, questions)
}

/// A run that stands still for 500 ms, so many milliseconds after its first question to a name server.
fn stopped_after(moment: u64, args: &[&str]) -> Value {
    let (names, questions) = names();
    let server = names.address.to_string();
    let child = start(&[&["connect", "--json", "--server", &server], args].concat());
    questions.recv().unwrap();
    thread::sleep(Duration::from_millis(moment));
    signal(&child, Signal::STOP);
    thread::sleep(Duration::from_millis(500));
    signal(&child, Signal::CONT);
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let document = ran.json();
    assert_valid(&document);
    document
}

/// Blames the stall on this host, and on nobody else.
fn assert_honest(document: &Value) {
    let why = document["why"].as_array().unwrap();
    let all = format!("{why:#?} {} {}", document["stalls"], document["total_ms"]);
    let cost = |why: &Value| why["cost_ms"].as_f64().unwrap();
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        why.iter().partition(|why| why["kind"] == "late_end" || why["kind"] == "late_start");
    for why in &others {
        // The servers wait for 40 ms at most; the rest is for two busy processors.
        assert!(cost(why) < 250.0, "{all}");
    }
    let total = document["total_ms"].as_f64().unwrap();
    if total >= 450.0 {
        let told: f64 = own.iter().map(|why| cost(why)).sum();
        assert!(told >= total - 300.0, "{all}");
    }
    for why in &own {
        assert!(["fact", "inference"].contains(&why["basis"].as_str().unwrap()), "{why:#}");
        let evidence = why["evidence"].as_array().unwrap();
        let is_of_clock = |it: &Value| it["source"] == "clock" || it["source"] == "tcp_info";
        assert!(!evidence.is_empty() && evidence.iter().all(is_of_clock), "{why:#}");
    }
    assert!(document["cost_ms"].as_f64().unwrap() < 250.0, "{all}");
    assert!(document["he_cost_ms"].as_f64().unwrap() < 250.0, "{all}");
}

#[test]
fn twenty_stalls_under_load_are_blamed_on_nobody_else() {
    let (_alone, files) = (alone(), Files::new());
    let name = format!("localhost.test:{}", files.server().port());
    let args = ["--tls", "--insecure", &name];
    let (is_over, next, noticed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while let number @ 0..20 = next.fetch_add(1, Ordering::Relaxed) {
                        let document = stopped_after(5 * number, &args);
                        assert_honest(&document);
                        let is_long = document["total_ms"].as_f64().unwrap() >= 450.0;
                        noticed.fetch_add(u64::from(is_long), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(ended.into_iter().all(|end| end.is_ok()));
    });
    assert!(noticed.into_inner() > 0, "no stall was in the middle of a run");
}
