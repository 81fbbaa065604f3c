use super::shell::tests::alone;
use super::*;
use crate::scratch::Scratch;

const ARGS: Args = Args { bless: false, leg: None, bin_dir: None, timeout: 20, pages: Vec::new() };

/// Plays a page as `root` or `user`, whichever the tests themselves are, and returns the tally and the page after it.
fn played(page: &str, args: &Args) -> (Tally, String) {
    let _alone = alone();
    let scratch = Scratch::new("pages").unwrap();
    let path = scratch.write("01-a.md", page);
    let mut stage = Stage::set(&[PathBuf::from("/bin/true")], Duration::from_secs(args.timeout)).unwrap();
    let mut tally = Tally::default();
    play(&path, args, &mut stage, &mut tally).unwrap();
    (tally, fs::read_to_string(path).unwrap())
}

fn tally(passed: u32, failed: u32, skipped: u32) -> Tally {
    Tally { passed, failed, skipped }
}

#[test]
fn a_true_page_passes_and_a_false_one_fails() {
    let page = "```console,user\n$ echo a\na\n$ pwd\n[..]/work\n```\n";
    assert_eq!(played(page, &ARGS).0, tally(1, 0, 0));
    assert_eq!(played(&page.replace("\na\n", "\nb\n"), &ARGS).0, tally(0, 1, 0));
    assert_eq!(played(&page.replace("\na\n", "\n"), &ARGS).0, tally(0, 1, 0));
}

#[test]
fn blocks_that_cannot_be_understood_fail() {
    let page = "```console\n$ true\n```\n\n```console,user\ntrue\n```\n\n```console user\n$ true\n```\n";
    assert_eq!(played(page, &ARGS).0, tally(0, 3, 0));
}

#[test]
fn blocks_skip_only_for_a_reason() {
    let page =
        "```console,user,needs=no-such-program\n$ true\n```\n\n```console,user,needs=true\n$ true\n```\n";
    assert_eq!(played(page, &ARGS).0, tally(1, 0, 1));
    let root = "```console,root\n$ id -u\n0\n```\n";
    let expected = if nix::unistd::Uid::effective().is_root() { tally(1, 0, 0) } else { tally(0, 0, 1) };
    assert_eq!(played(root, &ARGS).0, expected);
}

#[test]
fn a_user_block_is_not_root_and_shares_its_pages_data() {
    let page = "```console,user\n$ test $(id -u) != 0 && echo user\nuser\n$ groups 2>/dev/null | wc -w\n1\n\
        $ touch $FORK_TO_VETH_ROOT/x\n```\n\n```console,user\n$ ls $FORK_TO_VETH_ROOT\nx\n$ ls\n```\n";
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(played(page, &ARGS).0, tally(2, 0, 0));
    }
}

#[test]
fn one_leg_can_be_run_alone() {
    let page = "```console,user\n$ true\n```\n\n```console,root\n$ true\n```\n";
    assert_eq!(played(page, &Args { leg: Some(Leg::User), ..ARGS }).0, tally(1, 0, 0));
}

#[test]
fn blessing_writes_what_was_printed() {
    let page = "# A\n\n1. list\n\n   ```console,user\n   $ echo pid $$; echo two\n   pid [..]\n   zwei\n   $ echo x\n   $ pwd\n   ```\nend\n";
    let (result, blessed) = played(page, &Args { bless: true, ..ARGS });
    assert_eq!(result, tally(1, 0, 0));
    assert_eq!(
        blessed,
        page.replace("zwei", "two")
            .replace("echo x\n", "echo x\n   x\n")
            .replace("$ pwd\n", "$ pwd\n   [..]/block1/work\n")
    );
    assert_eq!(played(&blessed, &ARGS), (tally(1, 0, 0), blessed));
}

#[test]
fn a_mount_left_behind_fails_the_block_and_is_removed() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let page = "```console,root\n$ mkdir m && mount -t tmpfs none m && touch m/x\n```\n";
    assert_eq!(played(page, &ARGS).0, tally(0, 1, 0));
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(&format!("xtask-transcripts-{}", std::process::id())));
}

#[test]
fn pages_are_found_by_the_start_of_their_names() {
    let scratch = Scratch::new("choose").unwrap();
    for file in ["01-a.md", "02-b.md", "sub/setup.md"] {
        scratch.write(file, "");
    }
    let found = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(scratch.path(), &names).map(|pages| pages.len())
    };
    assert_eq!(found(&[]).unwrap(), 3);
    assert_eq!(found(&["02", "setup"]).unwrap(), 2);
    assert!(found(&["03"]).is_err());
}

#[test]
fn a_network_of_its_own_stands_in_for_the_machine() {
    let machines = fs::read_link("/proc/self/ns/net").unwrap();
    let page = format!(
        "```console,root,net=own\n$ test $(readlink /proc/self/ns/net) != '{}' && echo another\nanother\n\
        $ cat /proc/sys/net/ipv4/ip_forward; ip -o link show up | wc -l; ip -o address show lo | grep -c 127.0.0.1\n\
        1\n1\n1\n$ ip link add own0 type veth && ls /proc/sys/net/ipv4/conf/own0/forwarding\n\
        /proc/sys/net/ipv4/conf/own0/forwarding\n```\n\n\
        ```console,root,net=own\n$ ip link show own0\nDevice \"own0\" does not exist.\n```\n",
        machines.display()
    );
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(played(&page, &ARGS).0, tally(2, 0, 0));
    }
}
