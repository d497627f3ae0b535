// SPDX-License-Identifier: MIT

//! The rows of sluice's benchmark on Tokio's multi-threaded runtime: the same programs, served over
//! stdin and stdout as perf/harness/peer.hpp describes. Its channels hold at least one value, and have
//! one receiver: ping_pong and the sieve use a capacity of 1, cap128_4x4 has no counterpart.

use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

type Row = (&'static str, fn(usize, u64) -> String);

const ROWS: &[Row] = &[
    ("create_await_destroy", |w, n| timed(w, create(n))),
    ("spawn_one", |w, n| timed(w, spawn_one(n))),
    ("spawn_batch", |w, n| timed(w, spawn_batch(n))),
    ("yield", |w, n| timed(w, yields(w as u64, n))),
    ("ping_pong", |w, n| timed(w, ping_pong(n))),
    ("cap128_1x1", |w, n| timed(w, stream(n))),
    ("sieve_2000", |w, n| timed(w, sieve(n))),
    ("sleepers_1e6", |w, n| run(w, sleepers(n))),
    ("parked_routine", |w, n| run(w, parked_routine(n))),
    ("cancel_1e6_by_handle", |w, n| timed(w, cancel_each(n))),
    ("idle_10s", |w, n| run(w, idle(n))),
];

fn main() {
    for line in io::stdin().lock().lines() {
        let line = line.unwrap_or_default();
        let word: Vec<&str> = line.split_whitespace().collect();
        let answer = match word[..] {
            ["rows"] => ROWS.iter().map(|r| r.0).collect::<Vec<_>>().join(" "),
            ["run", name, workers, n] => match ROWS.iter().find(|r| r.0 == name) {
                Some(row) => row.1(workers.parse().unwrap_or(1), n.parse().unwrap_or(1)),
                None => "error no such row".to_string(),
            },
            _ => "error what?".to_string(),
        };
        println!("{answer}");
        io::stdout().flush().ok();
    }
}

/// Runs `main` as a task of a runtime of its own.
fn run<F>(workers: usize, main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("runtime");
    runtime.block_on(async { tokio::spawn(main).await.expect("main") })
}

fn timed<F>(workers: usize, main: F) -> String
where
    F: Future<Output = Duration> + Send + 'static,
{
    format!("ns {}", run(workers, main).as_nanos())
}

#[inline(never)]
async fn child(i: u64) -> u64 {
    i
}

/// A future is no allocation in Rust: boxed, as a call through a pointer or a recursion needs it.
async fn create(n: u64) -> Duration {
    let began = Instant::now();
    let mut sum = 0;
    for i in 0..n {
        sum += black_box(Box::pin(child(i))).await;
    }
    black_box(sum);
    began.elapsed()
}

async fn spawn_one(n: u64) -> Duration {
    let began = Instant::now();
    let mut sum = 0;
    for i in 0..n {
        sum += tokio::spawn(child(i)).await.unwrap();
    }
    black_box(sum);
    began.elapsed()
}

async fn spawn_batch(n: u64) -> Duration {
    let mut handles = Vec::with_capacity(n as usize);
    let mut sum = 0;
    let began = Instant::now();
    for i in 0..n {
        handles.push(tokio::spawn(child(i)));
    }
    for h in handles {
        sum += h.await.unwrap();
    }
    black_box(sum);
    began.elapsed()
}

async fn yields(workers: u64, n: u64) -> Duration {
    let routines = 2 * workers;
    let began = Instant::now();
    let handles: Vec<_> = (0..routines)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..n / routines {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for h in handles {
        h.await.unwrap();
    }
    began.elapsed()
}

async fn ping_pong(n: u64) -> Duration {
    let (there, mut from_there) = mpsc::channel::<u64>(1);
    let (back, mut from_back) = mpsc::channel::<u64>(1);
    tokio::spawn(async move {
        while let Some(v) = from_there.recv().await {
            if back.send(v + 1).await.is_err() {
                break;
            }
        }
    });
    let mut sum = 0;
    let began = Instant::now();
    for i in 0..n {
        there.send(i).await.unwrap();
        sum += from_back.recv().await.unwrap();
    }
    black_box(sum);
    began.elapsed()
}

async fn stream(n: u64) -> Duration {
    let (to, mut from) = mpsc::channel::<u64>(128);
    let began = Instant::now();
    tokio::spawn(async move {
        for i in 0..n {
            to.send(i).await.unwrap();
        }
    });
    let mut sum = 0;
    while let Some(v) = from.recv().await {
        sum += v;
    }
    black_box(sum);
    began.elapsed()
}

async fn sieve(n: u64) -> Duration {
    let began = Instant::now();
    let (to, mut last) = mpsc::channel::<u64>(1);
    let mut all = vec![tokio::spawn(async move {
        let mut i = 2;
        while to.send(i).await.is_ok() {
            i += 1;
        }
    })];
    for _ in 0..n {
        let prime = last.recv().await.unwrap();
        let (to, next) = mpsc::channel::<u64>(1);
        let mut from = std::mem::replace(&mut last, next);
        all.push(tokio::spawn(async move {
            while let Some(v) = from.recv().await {
                if v % prime != 0 && to.send(v).await.is_err() {
                    break;
                }
            }
        }));
    }
    let took = began.elapsed();
    drop(last);
    for h in all {
        h.await.unwrap();
    }
    took
}

async fn sleepers(n: u64) -> String {
    let left = Arc::new(AtomicU64::new(n));
    let (to, done) = oneshot::channel::<()>();
    let to = Arc::new(std::sync::Mutex::new(Some(to)));
    let before = Figures::now();
    for i in 0..n {
        let (left, to) = (left.clone(), to.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_nanos(scatter(i, 1_000_000_000))).await;
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                to.lock().unwrap().take().unwrap().send(()).ok();
            }
        });
    }
    done.await.unwrap();
    let after = Figures::now();
    format!(
        "wall {} cpu {} rss {}",
        after.wall - before.wall,
        after.cpu - before.cpu,
        (after.peak_rss - before.rss) / 1e6
    )
}

/// Starts n tasks that wait for a permit that never comes; their handles are kept.
async fn gather(n: u64) -> Vec<tokio::task::JoinHandle<()>> {
    let never = Arc::new(tokio::sync::Semaphore::new(0));
    let parked = Arc::new(AtomicU64::new(0));
    let handles = (0..n)
        .map(|_| {
            let (never, parked) = (never.clone(), parked.clone());
            tokio::spawn(async move {
                parked.fetch_add(1, Ordering::Relaxed);
                let _permit = never.acquire().await;
            })
        })
        .collect();
    while parked.load(Ordering::Relaxed) != n {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    handles
}

async fn parked_routine(n: u64) -> String {
    let before = Figures::now();
    let handles = gather(n).await;
    let after = Figures::now();
    drop(handles);
    format!("rss {}", (after.rss - before.rss) / n as f64)
}

async fn cancel_each(n: u64) -> Duration {
    let handles = gather(n).await;
    let began = Instant::now();
    for h in &handles {
        h.abort();
    }
    for h in handles {
        black_box(h.await.is_err());
    }
    began.elapsed()
}

async fn idle(seconds: u64) -> String {
    tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = Figures::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = Figures::now();
    format!("cpu {} switches {}", (after.cpu - before.cpu) * 1e6, after.switches - before.switches)
}

/// The i-th of the sequence that perf/harness/process.hpp makes.
fn scatter(i: u64, below: u64) -> u64 {
    let mut z = i.wrapping_add(0x9e3779b97f4a7c15u64.wrapping_mul(i + 1));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
    (z ^ (z >> 31)) % below
}

/// What the system says of this process: seconds and bytes.
struct Figures {
    wall: f64,
    cpu: f64,
    rss: f64,
    peak_rss: f64,
    switches: f64,
}

impl Figures {
    fn now() -> Figures {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        let mut f = Figures { wall, cpu: 0.0, rss: 0.0, peak_rss: 0.0, switches: 0.0 };
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            f.switches += field(&text, "voluntary_ctxt_switches:");
            // The first field: ns on a CPU.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            f.cpu += text.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0.0) / 1e9;
        }
        let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
        f.rss = field(&text, "VmRSS:") * 1024.0;
        f.peak_rss = field(&text, "VmHWM:") * 1024.0;
        f
    }
}

fn field(text: &str, name: &str) -> f64 {
    text.lines()
        .find_map(|l| l.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0.0)
}
