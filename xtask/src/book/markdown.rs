//! What a page's Markdown holds that the checks look at: headings, fences, links, lines of prose.

/// A heading; `id` is the `{#id}` behind it.
#[derive(Debug, PartialEq)]
pub struct Heading {
    pub line: usize,
    pub text: String,
    pub id: Option<String>,
}

/// A fenced block. Lines are counted from 1; `body` starts on the line after `line`.
#[derive(Debug, PartialEq)]
pub struct Fence {
    pub line: usize,
    pub info: String,
    /// Spaces before the fence, in a list: the body's lines have lost as many.
    pub indent: usize,
    pub body: Vec<String>,
    /// False when the page ends before the fence does.
    pub closed: bool,
}

#[derive(Debug, PartialEq)]
pub struct Link {
    pub line: usize,
    pub target: String,
}

#[derive(Debug, Default)]
pub struct Page {
    pub headings: Vec<Heading>,
    pub fences: Vec<Fence>,
    pub links: Vec<Link>,
    /// Lines outside fences, with their numbers.
    pub prose: Vec<(usize, String)>,
    /// Ids given in raw HTML.
    pub ids: Vec<String>,
}

impl Page {
    pub fn read(text: &str) -> Page {
        let mut page = Page::default();
        let mut open: Option<(Fence, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match &mut open {
                Some((fence, marks)) => {
                    if closes(line, marks) {
                        fence.closed = true;
                        page.fences.extend(open.take().map(|(fence, _)| fence));
                    } else {
                        let spaces = line.bytes().take(fence.indent).take_while(|byte| *byte == b' ').count();
                        fence.body.push(line[spaces..].to_owned());
                    }
                }
                None => match opens(line) {
                    Some((marks, info)) => {
                        let indent = line.len() - line.trim_start().len();
                        let fence = Fence { line: number, info, indent, body: Vec::new(), closed: false };
                        open = Some((fence, marks));
                    }
                    None => page.prose_line(number, line),
                },
            }
        }
        page.fences.extend(open.map(|(fence, _)| fence));
        page
    }

    fn prose_line(&mut self, number: usize, line: &str) {
        self.prose.push((number, line.to_owned()));
        if let Some(heading) = heading(number, line) {
            self.headings.push(heading);
        }
        let plain = without_code(line);
        for target in links(&plain) {
            self.links.push(Link { line: number, target });
        }
        for attribute in ["href", "src"] {
            for target in attributes(&plain, attribute) {
                self.links.push(Link { line: number, target });
            }
        }
        self.ids.extend(attributes(&plain, "id"));
    }

    /// Every id of the page that a link can name.
    pub fn fragments(&self) -> impl Iterator<Item = &str> {
        self.headings
            .iter()
            .filter_map(|heading| heading.id.as_deref())
            .chain(self.ids.iter().map(String::as_str))
    }
}

/// The marks and the info string of a line that opens a fence, in a list item too.
pub fn opens(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    let info = line[length..].trim();
    (length >= 3 && !(mark == '`' && info.contains('`')))
        .then(|| (line[..length].to_owned(), info.to_owned()))
}

/// Whether a line closes the fence that `marks` opened.
pub fn closes(line: &str, marks: &str) -> bool {
    let line = line.trim();
    line.len() >= marks.len() && line.starts_with(marks) && line.chars().all(|c| marks.starts_with(c))
}

fn heading(line: usize, text: &str) -> Option<Heading> {
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let rest = text[level..].strip_prefix(' ')?;
    if !(1..=6).contains(&level) {
        return None;
    }
    let rest = rest.trim();
    let id = rest.strip_suffix('}').and_then(|rest| rest.rsplit_once("{#")).map(|(_, id)| id.to_owned());
    let text = rest.rsplit_once(" {#").map_or(rest, |(text, _)| text).to_owned();
    Some(Heading { line, text, id })
}

/// Blanks what stands between backticks: nothing in it is a link.
pub fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let run = rest[at..].bytes().take_while(|byte| *byte == b'`').count();
        let marks = &rest[at..at + run];
        out.push_str(&rest[..at]);
        rest = &rest[at + run..];
        match rest.find(marks) {
            Some(end) => rest = &rest[end + run..],
            None => out.push_str(marks),
        }
    }
    out + rest
}

/// Targets of `[text](target)`, `![text](target "title")` and `[label]: target`.
fn links(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("](") {
        rest = &rest[at + 2..];
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let inside = rest[..end.unwrap_or(rest.len())].trim();
        let target = inside.split_whitespace().next().unwrap_or_default();
        found.push(target.trim_start_matches('<').trim_end_matches('>').to_owned());
    }
    if line.trim_start().starts_with('[')
        && let Some((label, target)) = line.split_once("]: ")
        && !label.contains("](")
        && !label.contains("[^")
    {
        found.extend(target.split_whitespace().next().map(str::to_owned));
    }
    found
}

/// The values of an attribute in a line of HTML.
pub fn attributes(line: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(&start) {
        rest = &rest[at + start.len()..];
        let end = rest.find('"').unwrap_or(rest.len());
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_hide_what_looks_like_a_heading_or_a_link() {
        let page =
            Page::read("# A {#a}\n\n```sh\n# not one\n[x](y)\n```\n\n- list\n\n  ~~~text\n  x\n  ~~~\n");
        assert_eq!(page.headings.len(), 1);
        assert_eq!(page.headings[0].id.as_deref(), Some("a"));
        assert!(page.links.is_empty());
        let infos: Vec<_> = page.fences.iter().map(|fence| fence.info.as_str()).collect();
        assert_eq!(infos, ["sh", "text"]);
        assert!(page.fences.iter().all(|fence| fence.closed));
        assert_eq!(page.fences[1].body, ["x"]);
    }

    #[test]
    fn an_open_fence_is_noticed() {
        assert!(!Page::read("```text\nx\n").fences[0].closed);
        assert!(!Page::read("````text\n```\n").fences[0].closed);
    }

    #[test]
    fn links_of_all_kinds_are_found() {
        let text = "a [b](c.md#d) ![e](f.svg \"g\") `[no](no)` <a href=\"h.md\">\n[i]: j.md\n[k](l_(m).md)\n";
        let targets: Vec<_> = Page::read(text).links.into_iter().map(|link| link.target).collect();
        assert_eq!(targets, ["c.md#d", "f.svg", "h.md", "j.md", "l_(m).md"]);
    }

    #[test]
    fn a_heading_without_an_id_has_none() {
        let page = Page::read("## Two words\n#hashtag\n");
        assert_eq!(page.headings, [Heading { line: 1, text: "Two words".into(), id: None }]);
    }
}
