//! What a supervisor keeps in memory: it does much in its first milliseconds, and next to nothing for days.

use anyhow::{Context, Result};
use nix::libc::{self, MADV_DONTNEED};
use nix::unistd::{SysconfVar, sysconf};
use std::fs;
use std::io::Error;
use std::ops::Range;

/// In bytes: so much of the stack is left to what is called from here.
const MARGIN: usize = 16 << 10;

/// Gives back to the kernel what only the start has needed, madvise(2): the pages of the program and its libraries, the stack
/// below this call, and freed memory, malloc_trim(3). A page of a program that is needed again comes from the page cache.
pub fn give_back() -> Result<()> {
    let maps = fs::read_to_string("/proc/self/maps").context("read /proc/self/maps")?;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.context("the size of a page")? as usize;
    let free_below = (&raw const maps as usize - MARGIN) / page * page;
    for Range { start, end } in maps.lines().filter_map(|line| needed_no_more(line, free_below)) {
        // SAFETY: these pages are in their files as they are in memory, and below MARGIN the stack holds nothing.
        if unsafe { libc::madvise(start as *mut _, end - start, MADV_DONTNEED) } == -1 {
            return Err(Error::last_os_error()).context("give back memory");
        }
    }
    drop(maps);
    // SAFETY: this looks through the allocator's own lists.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
    Ok(())
}

/// The addresses of a line of /proc/PID/maps, proc_pid_maps(5), that stand for a file's instructions, for its constants, which
/// are at its start, or for free stack. What ld.so(8) has changed, to protect it then, is further back in a file.
fn needed_no_more(line: &str, free_below: usize) -> Option<Range<usize>> {
    let [range, mode, offset, _, _, name] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        return None;
    };
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    match (mode, offset, name) {
        ("r-xp", _, file) | ("r--p", "00000000", file) if file.starts_with('/') => Some(start..end),
        (_, _, "[stack]") if start < free_below => Some(start..free_below),
        _ => None,
    }
}
