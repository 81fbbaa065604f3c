//! What the student reads first.

use std::fmt::Write;

use super::cut::wrapped;
use super::plan::Cut;

pub(super) fn text(step: u8, page: &str, cuts: &[Cut]) -> String {
    let mut text = format!(
        "# step{step:02}\n\n\
         A container runtime that compiles, and lacks what its step is about: {} functions say `todo!`.\n\
         They are best written in this order. In each, a comment says what to do, and where the book explains it:\n\
         its chapter is `{page}.html`.\n\n",
        cuts.len()
    );
    for (number, cut) in cuts.iter().enumerate() {
        let Cut { file, function, todo, section, .. } = cut;
        let line = format!("{}. `{function}` in `{file}`: {todo} (`#{section}`)", number + 1);
        for (place, line) in wrapped(&line, 116).iter().enumerate() {
            let _ = writeln!(text, "{}{line}", if place == 0 { "" } else { "   " });
        }
    }
    text += "\nIn this folder:\n\n\
             ```sh\n\
             grade check            # what holds, and what does not; red is expected at first\n\
             grade check --watch    # again on each save, from the first check that failed\n\
             grade hint CHECK 2     # the second hint of a check\n\
             grade doctor           # what this machine lacks, if anything\n\
             cargo test             # the step's own unit tests, where it has some\n\
             ```\n\n\
             The checks look at the kernel's own records, and not at how the code is written: there is more than one way.\n\
             Many need root. As an ordinary user, those are skipped, and cost no points.\n";
    text
}
