//! The checks of the pages that mdbook generated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::check::{files_beneath, join};

/// What one page links to, and what can be linked to in it.
#[derive(Debug, Default)]
struct Page {
    ids: BTreeSet<String>,
    /// Targets of `<a href>`.
    links: Vec<String>,
    /// What the browser loads with the page.
    loads: Vec<String>,
}

/// Looks for links that lead nowhere, anything loaded from elsewhere, and directives that nobody expanded.
pub fn check(output: &Path) -> anyhow::Result<Vec<String>> {
    let files = files_beneath(output)?;
    let mut problems = Vec::new();
    let mut pages = BTreeMap::new();
    for file in &files {
        let read = || {
            fs::read_to_string(output.join(file))
                .with_context(|| format!("read {}", output.join(file).display()))
        };
        if file.ends_with(".html") {
            let text = read()?;
            if let Some(at) = text.find("{{#") {
                let line = text[..at].matches('\n').count() + 1;
                problems.push(format!("{file}:{line}: a directive was not expanded"));
            }
            pages.insert(file.clone(), page(&text));
        } else if file.ends_with(".css") {
            let outside = css_loads(&read()?).into_iter().filter(|target| is_outside(target));
            problems.extend(outside.map(|target| format!("{file}: loads {target} from elsewhere")));
        }
    }
    ensure!(!pages.is_empty(), "there are no pages in {}", output.display());
    for (name, page) in &pages {
        let outside = page.loads.iter().filter(|target| is_outside(target));
        problems.extend(outside.map(|target| format!("{name}: loads {target} from elsewhere")));
        let inside = page.links.iter().chain(&page.loads).filter(|target| !is_outside(target));
        for target in inside {
            if let Err(why) = resolve(&files, &pages, name, target) {
                problems.push(format!("{name}: link to `{target}`: {why}"));
            }
        }
    }
    Ok(problems)
}

fn is_outside(target: &str) -> bool {
    let scheme = ["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
    scheme || target.starts_with("//")
}

fn resolve(
    files: &BTreeSet<String>,
    pages: &BTreeMap<String, Page>,
    from: &str,
    target: &str,
) -> Result<(), String> {
    if target.starts_with("data:") || target.starts_with("javascript:") {
        return Ok(());
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = path.split('?').next().unwrap_or_default();
    // The page for missing pages stands for any folder, and says itself that its links start at the root.
    let root = path.starts_with('/') || from == "404.html";
    let file = match path {
        "" => Some(from.to_owned()),
        path => join(if root { "" } else { from }, path),
    };
    let Some(mut file) = file else { return Err("it leads out of the book".into()) };
    if file.is_empty() || path.ends_with('/') {
        file = format!("{file}/index.html").trim_start_matches('/').to_owned();
    }
    if !files.contains(&file) {
        return Err(format!("there is no {file}"));
    }
    match pages.get(&file) {
        Some(page) if !fragment.is_empty() && !page.ids.contains(fragment) => {
            Err(format!("nothing in {file} has the id `{fragment}`"))
        }
        _ => Ok(()),
    }
}

/// Reads the tags of a page. Comments and the text of scripts hold none.
fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = tag(rest);
        rest = after;
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        for (key, value) in attributes(&tag[name.len()..]) {
            match (name, key) {
                (_, "id") => drop(page.ids.insert(value)),
                ("a" | "area", "href") => page.links.push(value),
                (_, "src") | ("link", "href") | ("object", "data") => page.loads.push(value),
                (_, "srcset") => {
                    let each = value.split(',').filter_map(|one| one.split_whitespace().next());
                    page.loads.extend(each.map(str::to_owned));
                }
                (_, "style") => page.loads.extend(css_loads(&value)),
                _ => {}
            }
        }
        if name == "script" || name == "style" {
            let end = format!("</{name}");
            let (inside, after) = rest.split_at(rest.find(&end).unwrap_or(rest.len()));
            if name == "style" {
                page.loads.extend(css_loads(inside));
            }
            rest = after;
        }
    }
    page
}

/// Splits at the `>` that ends the tag, which may hold others in quotes.
fn tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return (&text[..at], &text[at + 1..]),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    (text, "")
}

fn attributes(tag: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = tag.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let name = &rest[..end];
        rest = rest[end..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            // An attribute without a value, or a stray `=` that must be stepped over.
            rest = if end == 0 { rest.get(1..).unwrap_or_default() } else { rest };
            continue;
        };
        let value = value.trim_start();
        let quoted = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (text, after) = match quoted {
            Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            None => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        found.push((name, unescape(text)));
        rest = after.trim_start();
    }
    found
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#x2F;", "/")
        .replace("&amp;", "&")
}

/// What a style sheet loads with `url(…)` or `@import "…"`.
fn css_loads(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, ends) in [("url(", ")"), ("@import \"", "\""), ("@import '", "'")] {
        for part in text.split(start).skip(1) {
            let target = part.split(ends).next().unwrap_or_default().trim_matches(['"', '\'', ' ']);
            found.push(target.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const GOOD: &str = "<html><head><link rel=\"stylesheet\" href=\"css/a.css\"></head><body>\
        <h1 id=\"top\"><a class=\"header\" href=\"#top\">T</a></h1><a href=\"sub/b.html#x\">b</a>\
        <a href=\"https://example.org/\">out</a><script>if (a < b) { '<a href=\"none.html\">' }</script>\
        <!-- <a href=\"none.html\"> --></body></html>";

    fn book() -> Scratch {
        let scratch = Scratch::new("html").unwrap();
        scratch.write("index.html", GOOD);
        scratch.write("sub/b.html", "<p id=x><a href='../index.html#top'>up</a><img src=\"../a.svg\"/>");
        scratch.write("a.svg", "<svg/>");
        scratch.write("css/a.css", "a { background: url(\"../a.svg\") }");
        scratch
    }

    #[test]
    fn good_pages_pass() {
        assert_eq!(check(book().path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn each_rule_can_fail() {
        let wrong = [
            ("<a href=\"none.html\">", "there is no none.html"),
            ("<a href=\"#none\">", "id `none`"),
            ("<a href=\"sub/b.html#none\">", "id `none`"),
            ("<a href=\"../x\">", "leads out"),
            ("<img src=\"https://example.org/a.png\">", "from elsewhere"),
            ("<script src=\"//example.org/a.js\"></script>", "from elsewhere"),
            ("<link rel=\"preload\" href=\"https://example.org/f.woff2\">", "from elsewhere"),
            ("<p style=\"background: url(https://example.org/a.png)\">", "from elsewhere"),
            ("<style>@import \"https://example.org/a.css\";</style>", "from elsewhere"),
            ("<p>\n{{#diff step01 a}}</p>", "not expanded"),
        ];
        for (text, message) in wrong {
            let scratch = book();
            scratch.write("index.html", &GOOD.replace("</body>", &format!("{text}</body>")));
            let problems = check(scratch.path()).unwrap();
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].contains(message), "{text}: {problems:?}");
        }
        let scratch = book();
        scratch.write("css/a.css", "@font-face { src: url(https://example.org/f.woff2) }");
        assert!(check(scratch.path()).unwrap()[0].contains("from elsewhere"));
    }

    #[test]
    fn an_empty_build_is_an_error() {
        assert!(check(Scratch::new("empty").unwrap().path()).is_err());
    }
}
