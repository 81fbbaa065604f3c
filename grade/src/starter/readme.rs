//! What the student reads first.

use std::fmt::Write;

use grade::exercise::Exercise;

use super::cut::wrapped;
use super::plan::Cut;

const COMMANDS: &str = "
In this folder:

```sh
grade check            # what holds, and what does not; red is expected at first
grade check --watch    # again on each save, from the first check that failed
grade hint CHECK 2     # the second hint of a check
grade doctor           # what this machine lacks, if anything
cargo test             # the step's own unit tests, where it has some
```

The checks look at the kernel's own records, and not at how the code is written: there is more than one way.
Many need root. As an ordinary user, those are skipped, and cost no points.
";

pub(super) fn of_step(step: u8, page: &str, cuts: &[Cut]) -> String {
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
    text + COMMANDS
}

pub(super) fn of_exercise(exercise: &Exercise, page: &str) -> String {
    let Exercise { id, title, step, minutes, text, .. } = exercise;
    format!(
        "# {title}\n\n\
         An exercise for step{step:02}, of about {minutes} minutes; `grade hint {id}` shows its first hint.\n\
         This crate is the step as it is. The book: `{page}.html#ex-{id}`; links below lead into that page.\n\n\
         {}\n{COMMANDS}",
        text.trim()
    )
}
