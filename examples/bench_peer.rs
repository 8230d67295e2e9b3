//! Workloads to compare this event loop with others: callbacks, tasks, timers, threads, connections, TLS.
//!
//! `bench_peer WORKLOAD ARGS…` runs one of them and prints its figures, one JSON object per line. An unknown workload
//! exits 64. Build it with `cargo build --release --example bench_peer --no-default-features`. The workloads of TLS
//! need `--features tls` as well.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::black_box;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use loopctl::{BoxError, EnteredLoop, EventLoop, LoopHandle, Protocol, Transport};
use rustix::time::{ClockId, clock_gettime};

type Result<T = ()> = std::result::Result<T, BoxError>;

const UNSUPPORTED: u8 = 64;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["callbacks", n, burst] => callbacks(n.parse()?, burst.parse()?)?,
        ["chain", n] => chain(n.parse()?)?,
        ["spawn", n, burst] => spawn(n.parse()?, burst.parse()?)?,
        ["yield", tasks, n] => yields(tasks.parse()?, n.parse()?)?,
        ["timers", n, seed] => timers(n.parse()?, seed.parse()?)?,
        ["sleep1", n] => sleeps(n.parse()?, Duration::from_millis(1))?,
        ["sleepus", n, us] => sleeps(n.parse()?, Duration::from_micros(us.parse()?))?,
        ["wake", n] => wake(n.parse()?)?,
        ["pingpong", n] => pingpong(n.parse()?)?,
        ["echo", port] => echo(port.parse()?)?,
        ["connect", host, port, n, parallel] => {
            let peer = SocketAddr::new(host.parse()?, port.parse()?);
            connect(peer, n.parse()?, parallel.parse()?)?;
        }
        #[cfg(feature = "tls")]
        ["tls", port, certificate, key] => tls::serve(port.parse()?, certificate, key)?,
        #[cfg(feature = "tls")]
        ["tlsconnect", host, port, n] => {
            tls::connect(SocketAddr::new(host.parse()?, port.parse()?), n.parse()?)?;
        }
        _ => return Ok(ExitCode::from(UNSUPPORTED)),
    }
    Ok(ExitCode::SUCCESS)
}

fn callbacks(n: u64, burst: u64) -> Result {
    in_bursts("cb", n, burst, |event_loop, i| drop(event_loop.call_soon(move || count_job(i))))
}

fn spawn(n: u64, burst: u64) -> Result {
    in_bursts("spawn", n, burst, |event_loop, i| {
        drop(event_loop.create_task(async move { count_job(i) }))
    })
}

/// Schedules `n` jobs, `burst` at a time (0: all at once), and turns until each burst has run.
fn in_bursts(name: &str, n: u64, burst: u64, schedule: impl Fn(&LoopHandle, u64)) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let entered = event_loop.enter()?;
    let burst = if burst == 0 { n } else { burst };
    let span = Span::begin();
    let mut scheduled = 0;
    while scheduled < n {
        (scheduled..scheduled + burst).for_each(|i| schedule(&handle, i));
        scheduled += burst;
        turn_until(&entered, scheduled)?;
    }
    span.report(name, n)
}

fn chain(n: u64) -> Result {
    fn link(handle: LoopHandle, left: u64) {
        match left.checked_sub(1) {
            Some(left) => drop(handle.clone().call_soon(move || link(handle, left))),
            None => handle.stop(),
        }
    }
    let (handle, mut event_loop) = new_loop()?;
    let span = Span::begin();
    link(handle, n);
    event_loop.run_forever()?;
    span.report("iter", n)
}

fn yields(tasks: u64, n: u64) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let entered = event_loop.enter()?;
    let span = Span::begin();
    for _ in 0..tasks {
        drop(handle.create_task(async move {
            for _ in 0..n {
                yield_now().await;
            }
            count(1);
        }));
    }
    turn_until(&entered, tasks)?;
    span.report("yield", tasks * n)
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn timers(n: u64, seed: u64) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let entered = event_loop.enter()?;
    let mut random = Random(seed);
    let whole = Span::begin();

    let inserting = Span::begin();
    let begin = handle.time();
    let insert = |i| {
        let delay = Duration::from_nanos(random.next() % 1_000_000_000);
        handle.call_at(begin + delay, move || count_job(i))
    };
    let handles: Vec<_> = (0..n).map(insert).collect();
    inserting.report("insert", n)?;

    let cancelling = Span::begin();
    let mut cancelled = 0;
    for (i, handle) in handles.into_iter().enumerate() {
        if i % 10 != 0 {
            handle.cancel();
            cancelled += 1;
        }
    }
    cancelling.report("cancel", cancelled)?;

    thread::sleep((begin + Duration::from_millis(1050)).saturating_duration_since(handle.time()));
    let firing = Span::begin();
    turn_until(&entered, n - cancelled)?;
    firing.report("fire", n - cancelled)?;
    emit("all_cpu", per_op(whole.cpu(), n), "ns/op")
}

fn sleeps(n: u64, delay: Duration) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let (mut late, mut early) = (Vec::new(), 0_u32);
    event_loop.run_until_complete(async {
        for _ in 0..n {
            let began = monotonic();
            handle.sleep(delay).await;
            let took = monotonic() - began;
            early += u32::from(took < delay);
            late.push(took.saturating_sub(delay));
        }
    })?;
    emit("early", early.into(), "count")?;
    report_spread("late", &mut late)
}

fn wake(n: u64) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let entered = event_loop.enter()?;
    let remote = handle.remote();
    let span = Span::begin();
    let poster = thread::Builder::new().spawn(move || {
        (0..n).try_for_each(|i| remote.call_soon_threadsafe(move || count_job(i)).map(drop))
    })?;
    turn_until(&entered, n)?;
    span.report("wake", n)?;
    poster.join().map_err(|_| "the posting thread panicked")??;
    Ok(())
}

fn pingpong(n: u64) -> Result {
    let (handle, mut event_loop) = new_loop()?;
    let entered = event_loop.enter()?;
    let remote = handle.remote();
    let (ping, pings) = mpsc::channel::<()>();
    thread::Builder::new().spawn(move || {
        pings.iter().try_for_each(|()| remote.call_soon_threadsafe(|| count(1)).map(drop))
    })?;
    let mut trips = Vec::new();
    let span = Span::begin();
    for i in 0..n {
        let began = monotonic();
        ping.send(())?;
        turn_until(&entered, i + 1)?;
        trips.push(monotonic() - began);
    }
    span.report("rt", n)?;
    report_spread("rt", &mut trips)
}

/// Echo server without end; its first line of output says that clients may connect.
fn echo(port: u16) -> Result {
    struct Echo;

    // A full queue stops reading, so that a client that only sends costs no memory.
    impl Protocol for Echo {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            let _ = transport.write(data);
        }

        fn pause_writing(&mut self, transport: &Transport) {
            transport.pause_reading();
        }

        fn resume_writing(&mut self, transport: &Transport) {
            transport.resume_reading();
        }
    }

    loopctl::raise_descriptor_limit()?;
    let (handle, mut event_loop) = new_loop()?;
    event_loop.run_until_complete(async {
        let server = handle.create_server("127.0.0.1", port).backlog(4096).serve(|| Echo).await?;
        let port = server.local_addrs().first().ok_or("no address")?.port();
        writeln!(io::stdout(), "READY {port}")?;
        server.serve_forever().await?;
        Result::Ok(())
    })?
}

fn connect(peer: SocketAddr, n: usize, parallel: usize) -> Result {
    struct Discard;

    impl Protocol for Discard {
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    }

    let (handle, mut event_loop) = new_loop()?;
    let next = Rc::new(Cell::new(0));
    let took = Rc::new(RefCell::new(vec![Duration::ZERO; n]));
    let span = Span::begin();
    let connect = |_| {
        let (handle, next, took) = (handle.clone(), Rc::clone(&next), Rc::clone(&took));
        async move {
            while next.get() < n {
                let number = next.replace(next.get() + 1);
                let began = monotonic();
                let connection = handle.create_connection_to([peer]).open(|| Discard).await?;
                took.borrow_mut()[number] = monotonic() - began;
                connection.transport.close();
            }
            Result::Ok(())
        }
    };
    let tasks: Vec<_> = (0..parallel).map(connect).map(|task| handle.create_task(task)).collect();
    event_loop.run_until_complete(async {
        for task in tasks {
            task.await??;
        }
        Result::Ok(())
    })??;
    let (wall, cpu) = (span.wall(), span.cpu());

    let mut took = took.take();
    report_connects(&mut took, wall, cpu)
}

/// Prints a line per connection, then rate, cost and percentiles of all.
fn report_connects(took: &mut [Duration], wall: Duration, cpu: Duration) -> Result {
    let n = took.len();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (number, took) in took.iter().enumerate() {
        writeln!(out, "{number}\t{}", took.as_nanos())?;
    }
    out.flush()?;
    drop(out);
    emit("rate", n as f64 / wall.as_secs_f64(), "conn/s")?;
    emit("cpu", per_op(cpu, n as u64) / 1e3, "us/conn")?;
    took.sort_unstable();
    emit("lat_p50", micros(percentile(took, 50)), "us")?;
    emit("lat_p99", micros(percentile(took, 99)), "us")
}

/// TLS 1.3 at both ends, with full handshakes.
#[cfg(feature = "tls")]
mod tls {
    use std::io::{self, Write};
    use std::net::SocketAddr;

    use loopctl::{Protocol, TlsClient, TlsServer, Transport};

    use super::{Result, Span, monotonic, new_loop, report_connects};

    struct Discard;

    impl Protocol for Discard {
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    }

    pub(super) fn serve(port: u16, certificate: &str, key: &str) -> Result {
        let tls =
            TlsServer::builder().identity_files(certificate, key).resumption(false).build()?;
        let (handle, mut event_loop) = new_loop()?;
        event_loop.run_until_complete(async {
            let server = handle.create_server("127.0.0.1", port).backlog(4096).tls(tls);
            let server = server.serve(|| Discard).await?;
            let port = server.local_addrs().first().ok_or("no address")?.port();
            writeln!(io::stdout(), "READY {port}")?;
            server.serve_forever().await?;
            Result::Ok(())
        })?
    }

    pub(super) fn connect(peer: SocketAddr, n: usize) -> Result {
        let tls = TlsClient::builder().dangerous_accept_any_certificate().resumption(false);
        let tls = tls.build()?.server_name("localhost")?;
        let (handle, mut event_loop) = new_loop()?;
        let mut took = Vec::with_capacity(n);
        let span = Span::begin();
        event_loop.run_until_complete(async {
            for _ in 0..n {
                let began = monotonic();
                let connection = handle.create_connection_to([peer]).tls(tls.clone());
                let connection = connection.open(|| Discard).await?;
                took.push(monotonic() - began);
                connection.transport.close();
            }
            Result::Ok(())
        })??;
        report_connects(&mut took, span.wall(), span.cpu())
    }
}

fn new_loop() -> Result<(LoopHandle, EventLoop)> {
    let event_loop = EventLoop::new()?;
    Ok((event_loop.handle(), event_loop))
}

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count(more: u64) {
    COUNT.set(COUNT.get() + more);
}

/// Work of every job, on the number that it captured.
fn count_job(number: u64) {
    black_box(number);
    count(1);
}

fn turn_until(entered: &EnteredLoop<'_>, total: u64) -> Result {
    while COUNT.get() < total {
        entered.turn(None)?;
    }
    Ok(())
}

/// Xorshift generator, the same for every event loop that is compared, so that all have the same timers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Wall and processor time since its creation.
struct Span {
    wall: Duration,
    cpu: Duration,
}

impl Span {
    fn begin() -> Self {
        Self { wall: monotonic(), cpu: processor() }
    }

    fn wall(&self) -> Duration {
        monotonic() - self.wall
    }

    fn cpu(&self) -> Duration {
        processor() - self.cpu
    }

    fn report(&self, name: &str, n: u64) -> Result {
        let (wall, cpu) = (self.wall(), self.cpu());
        emit(&format!("{name}_wall"), per_op(wall, n), "ns/op")?;
        emit(&format!("{name}_cpu"), per_op(cpu, n), "ns/op")
    }
}

fn report_spread(name: &str, samples: &mut [Duration]) -> Result {
    samples.sort_unstable();
    for (label, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
        emit(&format!("{name}_{label}"), micros(percentile(samples, percent)), "us")?;
    }
    Ok(())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len().max(1) - 1) * percent / 100).copied().unwrap_or_default()
}

fn monotonic() -> Duration {
    read(ClockId::Monotonic)
}

fn processor() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

fn per_op(time: Duration, n: u64) -> f64 {
    time.as_nanos() as f64 / n as f64
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn emit(metric: &str, value: f64, unit: &str) -> Result {
    let mut out = io::stdout().lock();
    writeln!(out, r#"{{"metric":"{metric}","value":{value:.3},"unit":"{unit}"}}"#)?;
    Ok(())
}
