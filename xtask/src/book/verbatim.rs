//! Files of the repository that a page shows whole, for readers to take.

use std::fs;
use std::path::{Component, Path};

use anyhow::{Context, ensure};

/// A fence with the file's text, and its name above.
pub fn markdown(root: &Path, file: &str) -> anyhow::Result<String> {
    let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(inside && root.join(file).is_file(), "there is no {file} in the repository");
    let text = fs::read_to_string(root.join(file)).with_context(|| format!("read {file}"))?;
    ensure!(!text.contains("```"), "{file} has a fence's marks in it");
    let language = match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("yml") => "yaml",
        Some("json") => "json",
        _ => "sh",
    };
    Ok(format!("`{file}`:\n\n```{language}\n{}\n```\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn a_file_stands_in_a_fence_of_its_language() {
        let folder = crate::scratch::Scratch::new("verbatim").unwrap();
        std::fs::write(folder.path().join("a.yml"), "on: push\n").unwrap();
        std::fs::write(folder.path().join("b"), "a fence: ```\n").unwrap();
        let text = markdown(folder.path(), "a.yml").unwrap();
        assert_eq!(text, "`a.yml`:\n\n```yaml\non: push\n```\n");
        for (file, message) in [("c", "no c"), ("../a.yml", "no ../a.yml"), ("b", "marks")] {
            assert!(markdown(folder.path(), file).unwrap_err().to_string().contains(message), "{file}");
        }
    }
}
