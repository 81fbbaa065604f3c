//! Docker's firewall beside ours.
//!
//! A packet has to pass every table: what one accepts, another may still drop. Docker drops all that the machine forwards
//! for others (its chain FORWARD has the policy drop), and has a chain, DOCKER-USER, in which others say what it should
//! let pass. It leaves the rules there alone. So this is the one place outside of our own table where we put rules; they
//! carry our table's name as their comment, and go with it. Docker's manual, "Packet filtering and firewalls".

use super::{bridge, nft, nftables};
use crate::explain;
use anyhow::Result;

const TABLE: &str = "filter";
const CHAIN: &str = "DOCKER-USER";

/// Lets pass what comes from our bridges or goes to them; which of it may, our own table says. What goes to Docker's
/// bridges is Docker's to judge.
fn rules() -> [String; 4] {
    let ours = format!("\"{}*\"", bridge::PREFIX);
    [
        format!("iifname {ours} oifname \"docker*\" return"),
        format!("iifname {ours} oifname \"br-*\" return"),
        format!("iifname {ours} accept"),
        format!("oifname {ours} accept"),
    ]
}

/// Makes sure that Docker lets us pass.
pub fn make_way(comment: &str) -> Result<()> {
    let has_chain = nftables::drops(TABLE, CHAIN)?.is_some();
    if !has_chain || nftables::rules(TABLE, CHAIN)?.iter().any(|rule| rule.mentions(comment)) {
        return Ok(());
    }
    // Each is put before what is there: Docker's own last rule goes back.
    let insert = |rule: &String| format!("insert rule ip {TABLE} {CHAIN} {rule} comment \"{comment}\"\n");
    nft::load(&rules().iter().rev().map(insert).collect::<String>())
}

/// Takes our rules out again.
pub fn leave(comment: &str) -> Result<()> {
    let ours = nftables::rules(TABLE, CHAIN)?.into_iter().filter(|rule| rule.mentions(comment));
    let text: String =
        ours.map(|rule| format!("delete rule ip {TABLE} {CHAIN} handle {}\n", rule.handle)).collect();
    if text.is_empty() { Ok(()) } else { nft::load(&text) }
}

/// Tells when somebody else drops what is forwarded, who has not said where others may ask for a way.
pub fn warn_of_others() -> Result<()> {
    let way = nftables::drops(TABLE, CHAIN)?.is_some();
    if !way && nftables::drops(TABLE, "FORWARD")? == Some(true) {
        let ours = bridge::PREFIX;
        explain::tell(format_args!(
            "the firewall drops what this machine forwards (chain ip filter FORWARD), so containers reach nothing \
             beyond it; 'iptables -I FORWARD -i {ours}+ -j ACCEPT' and the same with -o let them"
        ));
    }
    Ok(())
}
