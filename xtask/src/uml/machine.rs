//! One boot of a user-mode kernel: start it, pass on what it says, and be sure that it is gone afterwards.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Pid;

const INIT: &str = include_str!("init.sh");
const PTRACE: &str = include_str!("ptrace.c");

/// The machine's disks, sparse files: a device to set I/O limits on, and one for what the steps write.
const DISKS: [(&str, u64); 2] = [("disk", 64 << 20), ("data", 4 << 30)];

/// A machine that prints nothing for this long stands still: no check may take that long, not even in there.
const STALL: Duration = Duration::from_secs(300);

/// The error of a machine that stands still.
#[derive(Debug)]
pub struct Stalled;

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the user-mode kernel printed nothing for {STALL:?}")
    }
}

impl std::error::Error for Stalled {}

/// What the kernel prints when it panics, on its own console.
const PANIC: &str = "Kernel panic";

/// Which cgroup file systems the machine mounts. cgroups(7).
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Cgroups {
    /// cgroup v2 at /sys/fs/cgroup, nothing else
    V2,
    /// v2 at /sys/fs/cgroup/unified and v1 net_cls beside it
    #[value(name = "net_cls")]
    NetCls,
    /// every controller as a v1 hierarchy, no v2
    V1,
}

impl Cgroups {
    /// The word that `init.sh` knows it by.
    fn word(self) -> &'static str {
        match self {
            Cgroups::V2 => "v2",
            Cgroups::NetCls => "net_cls",
            Cgroups::V1 => "v1",
        }
    }

    /// The leg's name in the checks' log: `uml-root`, `uml-v1-user`.
    pub fn leg(self, user: &str) -> String {
        match self {
            Cgroups::V2 => format!("uml-{user}"),
            other => format!("uml-{}-{user}", other.word()),
        }
    }
}

/// What to boot with.
pub struct Machine {
    pub memory_mib: u64,
    pub cgroups: Cgroups,
    /// From power-on to power-off.
    pub limit: Duration,
    /// Stands before each line that the jobs print.
    pub prefix: String,
}

impl Machine {
    /// Boots, runs the shell lines `jobs` as `init.sh` describes, powers off, and returns the exit status of the last
    /// job. The machine sees the host's folder `exchange` as `/run/exchange` and can write there.
    ///
    /// What the jobs print goes to stdout at once. The kernel's own console is shown only when no status came back.
    ///
    /// # Errors
    /// When the kernel cannot be started, does not power off within the limit, or ends without a status.
    pub fn boot(&self, exchange: &Path, jobs: &str) -> Result<i32> {
        let plain = exchange.to_str().is_some_and(|path| !path.contains([' ', '\t', '\n', ',', '"', '=']));
        ensure!(plain, "{}: a kernel's command line cannot hold this path; set TMPDIR", exchange.display());
        fs::write(exchange.join("jobs.sh"), jobs).context("write jobs.sh")?;
        fs::write(exchange.join("init.sh"), INIT).context("write init.sh")?;
        for (name, bytes) in DISKS {
            let disk = File::create(exchange.join(name)).and_then(|disk| disk.set_len(bytes));
            disk.with_context(|| format!("make the machine's disk {name}"))?;
        }
        let mut kernel = self.command(exchange)?.spawn().context("start linux.uml")?;
        let guard = Guard::over(&kernel, exchange)?;
        let heard = Arc::new(Mutex::new(Instant::now()));
        let said = pass_on(
            kernel.stdout.take().context("linux.uml has no stdout")?,
            Arc::clone(&heard),
            self.prefix.clone(),
        );
        let console = collect(kernel.stderr.take().context("linux.uml has no stderr")?);
        let ended = self.wait(&mut kernel, &heard);
        // The kernel's helper processes outlive it and hold the pipes open: end them before waiting for the readers.
        guard.end()?;
        said.join().expect("the reader does not panic")?;
        let console = console.join().expect("the reader does not panic")?;
        self.status(exchange, ended?, &console)
    }

    fn command(&self, exchange: &Path) -> Result<Command> {
        let mut command = Command::new("linux.uml");
        command
            .arg(format!("mem={}M", self.memory_mib))
            .args(["root=/dev/root", "rootfstype=hostfs", "ro", "loglevel=2", "panic=1"])
            // The kernel's console on stderr, the jobs' terminal on stdout. Terminals of their own would need a host pty.
            .args(["con=null", "con0=null,fd:2", "ssl=null", "ssl0=null,fd:1"])
            .arg(format!("exchange={}", exchange.display()))
            .args(
                DISKS
                    .iter()
                    .enumerate()
                    .map(|(number, (name, _))| format!("ubd{number}={}", exchange.join(name).display())),
            )
            .arg(format!("cgroups={}", self.cgroups.word()))
            .args(["init=/bin/sh", "--", &exchange.join("init.sh").to_string_lossy()])
            // ~/.uml gets a control socket; the machine's memory is a file in TMPDIR.
            .env("HOME", exchange)
            .env("TMPDIR", self.memory_folder()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(library) = ptrace_for_amx(exchange)? {
            command.env("LD_PRELOAD", library);
        }
        Ok(command)
    }

    /// A folder that can hold the machine's memory: /dev/shm keeps it off the disk, but containers make that small.
    fn memory_folder(&self) -> Result<PathBuf> {
        let candidates = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
        for folder in &candidates {
            let Ok(stat) = statvfs(folder.as_path()) else { continue };
            let free = stat.blocks_available() * stat.fragment_size();
            if free > self.memory_mib << 20 && !stat.flags().contains(FsFlags::ST_NOEXEC) {
                return Ok(folder.clone());
            }
        }
        bail!(
            "neither {} nor {} has {} MiB free and allows programs to run; set TMPDIR",
            candidates[0].display(),
            candidates[1].display(),
            self.memory_mib
        )
    }

    fn wait(&self, kernel: &mut Child, heard: &Mutex<Instant>) -> Result<ExitStatus> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = kernel.try_wait().context("wait for linux.uml")? {
                return Ok(status);
            }
            let stalled = heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > STALL;
            if stalled || Instant::now() > deadline {
                kernel.kill().context("kill linux.uml")?;
                kernel.wait().context("wait for linux.uml")?;
                ensure!(!stalled, Stalled);
                bail!("the user-mode kernel did not power off within {:?}", self.limit);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn status(&self, exchange: &Path, ended: ExitStatus, console: &str) -> Result<i32> {
        let text = fs::read_to_string(exchange.join("status")).unwrap_or_default();
        if let Ok(status) = text.trim().parse() {
            ensure!(!console.contains(PANIC), "the user-mode kernel panicked:\n{console}");
            return Ok(status);
        }
        bail!("the user-mode kernel ended ({ended}) before its jobs did; its console:\n{console}")
    }
}

/// What ends the kernel's process group and the exchange folder when this process is killed before it can.
struct Guard {
    group: Pid,
    shell: Child,
}

impl Guard {
    fn over(kernel: &Child, exchange: &Path) -> Result<Guard> {
        // The shell's stdin closes when this process ends, however it ends. dash's kill knows no `--`.
        let script = r#"read -r word; test "$word" = done || { kill -KILL "-$1"; rm -rf "$2"; }"#;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "guard", &kernel.id().to_string()]).arg(exchange);
        // A group of its own: Ctrl-C must end this process, not the guard.
        let shell = command.stdin(Stdio::piped()).process_group(0).spawn().context("start /bin/sh")?;
        Ok(Guard { group: Pid::from_raw(kernel.id().cast_signed()), shell })
    }

    /// Ends every process of the kernel's that is left: the helpers live on when the kernel itself is killed.
    fn end(mut self) -> Result<()> {
        match killpg(self.group, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context("kill the user-mode kernel's processes"),
        }
        let mut stdin = self.shell.stdin.take().context("the guard has no stdin")?;
        stdin.write_all(b"done\n").context("tell the guard")?;
        drop(stdin);
        self.shell.wait().context("wait for the guard")?;
        Ok(())
    }
}

/// Copies what the jobs print to stdout, line by line, without the terminal's carriage returns.
fn pass_on(
    from: impl Read + Send + 'static,
    heard: Arc<Mutex<Instant>>,
    prefix: String,
) -> JoinHandle<Result<()>> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).context("read the machine's terminal")? > 0 {
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                line.push(b'\n');
            }
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&[prefix.as_bytes(), &line].concat()).context("write to stdout")?;
            stdout.flush().context("write to stdout")?;
            line.clear();
        }
        Ok(())
    })
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Result<String>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).context("read the machine's console")?;
        Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
    })
}

/// On a processor with AMX, a library with a ptrace(2) that the kernel can work with. What links Rust's programs builds it.
fn ptrace_for_amx(exchange: &Path) -> Result<Option<PathBuf>> {
    let processor = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    if !processor.split_whitespace().any(|flag| flag == "amx_tile") {
        return Ok(None);
    }
    let (source, library) = (exchange.join("ptrace.c"), exchange.join("ptrace.so"));
    fs::write(&source, PTRACE).with_context(|| format!("write {}", source.display()))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let status = compiler.status().context("start cc")?;
    ensure!(status.success(), "cc: {status}");
    Ok(Some(library))
}
