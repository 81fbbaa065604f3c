//! Probes that use up a share of the machine.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork};

fn number<T: std::str::FromStr>(arguments: &[OsString], index: usize) -> Result<T> {
    let word = arguments.get(index).and_then(|word| word.to_str()).context("an argument is missing")?;
    word.parse().ok().with_context(|| format!("{word:?} is not a number"))
}

/// Prints the number of lines in `/proc/self/cgroup` and then the lines, as its first act, and lives until its
/// stdin ends.
pub(super) fn groups(_arguments: &[OsString]) -> Result<()> {
    let text = std::fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    print!("{}\n{text}", text.lines().count());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Writes to as many MiB of memory as the argument says and prints `done`.
pub(super) fn hog(arguments: &[OsString]) -> Result<()> {
    let count: usize = number(arguments, 0)?;
    let mut held = Vec::new();
    for _ in 0..count {
        let mut piece = vec![0_u8; 1024 * 1024];
        piece.iter_mut().step_by(1024).for_each(|byte| *byte = 1);
        held.push(std::hint::black_box(piece));
    }
    println!("done");
    Ok(())
}

/// Holds as many MiB of memory as the argument says, has as many children at once as the second one says and uses
/// CPU time for as many milliseconds as the third; then prints `ready` and lives until its stdin ends.
pub(super) fn use_up(arguments: &[OsString]) -> Result<()> {
    let mut memory = vec![0_u8; number::<usize>(arguments, 0)? * 1024 * 1024];
    memory.iter_mut().step_by(1024).for_each(|byte| *byte = 1);
    let mut children = Vec::new();
    for _ in 0..number(arguments, 1)? {
        children.push(std::process::Command::new("sleep").arg("1000").spawn().context("start sleep")?);
    }
    for mut child in children {
        child.kill()?;
        child.wait()?;
    }
    let limit = Duration::from_millis(number(arguments, 2)?);
    while cpu_time()? < limit {
        std::hint::black_box(&memory);
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    std::hint::black_box(memory);
    Ok(())
}

fn cpu_time() -> Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the time into the structure, which lives through the call.
    Errno::result(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) })?;
    Ok(Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec)?))
}

/// Goes to the CPU that the argument names, prints `ready` and computes there until its stdin ends.
pub(super) fn burn(arguments: &[OsString]) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(number(arguments, 0)?)?;
    sched_setaffinity(Pid::this(), &cpus).context("go to one CPU")?;
    println!("ready");
    let stdin = std::io::stdin();
    let mut number: u64 = 1;
    loop {
        for _ in 0..1_000_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        if poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO)? > 0 {
            return Ok(());
        }
    }
}

/// Starts as many children as the argument says, which sleep; prints how many could be started and the name of the
/// error that stopped it (`none` without one), and lives until its stdin ends.
pub(super) fn forks(arguments: &[OsString]) -> Result<()> {
    let most: usize = number(arguments, 0)?;
    let mut children = Vec::new();
    let mut error = "none".to_string();
    while children.len() < most {
        // SAFETY: this process has one thread, and the child does nothing but wait for signals.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => children.push(child),
            Ok(ForkResult::Child) => sleep_for_ever(),
            Err(errno) => {
                error = format!("{errno:?}");
                break;
            }
        }
    }
    println!("{} {error}", children.len());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for child in children {
        kill(child, Signal::SIGKILL)?;
    }
    Ok(())
}

fn sleep_for_ever() -> ! {
    loop {
        nix::unistd::pause();
    }
}

/// Prints `lit` and waits for a line on stdin; then starts as many children as the second argument says, each of
/// which does the same, as many generations deep as the first one says, all of which try again when they are
/// refused. Lives until its stdin ends.
pub(super) fn bomb(arguments: &[OsString]) -> Result<()> {
    let (generations, children): (u32, u32) = (number(arguments, 0)?, number(arguments, 1)?);
    println!("lit");
    std::io::stdin().read_line(&mut String::new())?;
    // The first is not one of those who sleep: it has to hear the end of its stdin.
    // SAFETY: this process has one thread.
    if let ForkResult::Child = unsafe { fork() }.context("light the bomb")? {
        explode(generations, children);
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn explode(generations: u32, children: u32) -> ! {
    let mut left = if generations > 0 { children } else { 0 };
    while left > 0 {
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => explode(generations - 1, children),
            Ok(ForkResult::Parent { .. }) => left -= 1,
            Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    sleep_for_ever()
}
