//! An image's document: what its layers are, and how its command is to be started (OCI image specification, "Image
//! Configuration"; Docker's is the same).

use super::digest::Digest;
use super::time::Time;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::env::consts::ARCH;

/// As many layers as overlayfs stacks: `OVL_MAX_STACK` in the kernel's fs/overlayfs/params.h.
const MOST_LAYERS: usize = 500;

/// The one system whose programs this kernel runs.
pub const OS: &str = "linux";

/// The document. What it holds besides is kept for whoever makes another from it.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    pub architecture: String,
    pub os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Settings>,
    pub rootfs: RootFs,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// How the command is started, where the command line does not say otherwise.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// `USER[:GROUP]`, names or ids; empty for root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `KEY=VALUE` each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The first words of the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The words after those, unless the caller gives others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The layers, from the bottom up, each by the digest of its uncompressed archive.
#[derive(Clone, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    pub diff_ids: Vec<Digest>,
}

impl Settings {
    /// A shell, and nothing else to say.
    pub fn shell() -> Settings {
        Settings { cmd: Some(vec!["sh".to_owned()]), ..Settings::default() }
    }
}

impl Settings {
    /// The command line, for people: what separates its words is lost.
    pub fn command_line(&self) -> String {
        let words: Vec<&str> =
            [&self.entrypoint, &self.cmd].into_iter().flatten().flatten().map(String::as_str).collect();
        words.join(" ")
    }

    /// The signal that asks the command to end: STOPSIGNAL in a Dockerfile.
    pub fn stop_signal(&self) -> Option<&str> {
        self.rest.get("StopSignal").and_then(Value::as_str)
    }

    /// Where the image wants its data kept apart from its layers: VOLUME in a Dockerfile.
    pub fn volumes(&self) -> impl Iterator<Item = &String> {
        self.rest.get("Volumes").and_then(Value::as_object).into_iter().flat_map(Map::keys)
    }
}

impl ImageConfig {
    /// The document of an image without layers, for this machine.
    pub fn new(settings: Settings) -> ImageConfig {
        ImageConfig {
            created: None,
            architecture: architecture().to_owned(),
            os: OS.to_owned(),
            config: Some(settings),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            history: None,
            rest: Map::new(),
        }
    }

    /// Reads a document, and refuses one whose programs this machine cannot run.
    pub fn parse(document: &[u8]) -> Result<ImageConfig> {
        let config: ImageConfig = serde_json::from_slice(document).context("read its configuration")?;
        ensure!(
            (config.os.as_str(), config.architecture.as_str()) == (OS, architecture()),
            "it is made for {}/{}, and this machine is {OS}/{}",
            config.os.escape_debug(),
            config.architecture.escape_debug(),
            architecture()
        );
        ensure!(
            config.rootfs.kind == "layers",
            "its configuration's rootfs.type is {:?}, not \"layers\"",
            config.rootfs.kind
        );
        let count = config.rootfs.diff_ids.len();
        ensure!(count > 0, "it has no layers, and so nothing to run");
        ensure!(count <= MOST_LAYERS, "it has {count} layers, and overlayfs stacks {MOST_LAYERS} at most");
        Ok(config)
    }

    /// Puts a layer on top, or says that a step changed no files, and writes it into the history.
    pub fn add(&mut self, diff_id: Option<Digest>, created_by: &str, comment: &str) {
        let now = Time::now().rfc3339();
        let mut entry = json!({ "created": now, "created_by": created_by, "comment": comment });
        match diff_id {
            Some(diff_id) => self.rootfs.diff_ids.push(diff_id),
            None => entry["empty_layer"] = true.into(),
        }
        self.history.get_or_insert_default().push(entry);
        self.created = Some(now);
    }

    /// The document as it is kept: its digest is the image's id.
    pub fn document(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).context("write an image's configuration")
    }
}

/// This machine's architecture, by the name that Go has for it, and so every image.
pub fn architecture() -> &'static str {
    match ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageConfig, MOST_LAYERS, Settings, architecture};
    use crate::image::digest::Digest;
    use serde_json::{Value, json};

    fn document(layers: usize) -> Value {
        let diff_ids = vec![Digest::of(b"layer"); layers];
        json!({
            "architecture": architecture(), "os": "linux", "created": null, "config": { "Cmd": ["sh"], "Labels": { "a": "b" } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids }, "variant": "v8",
        })
    }

    fn parse(document: &Value) -> anyhow::Result<ImageConfig> {
        ImageConfig::parse(document.to_string().as_bytes())
    }

    #[test]
    fn what_is_not_understood_is_kept() {
        let mut config = parse(&document(1)).unwrap();
        config.add(Some(Digest::of(b"more")), "sh", "");
        config.add(None, "true", "");
        let written: Value = serde_json::from_slice(&config.document().unwrap()).unwrap();
        assert_eq!((&written["variant"], &written["config"]["Labels"]["a"]), (&json!("v8"), &json!("b")));
        assert_eq!(written["rootfs"]["diff_ids"], json!([Digest::of(b"layer"), Digest::of(b"more")]));
        assert_eq!(
            (&written["history"][0]["empty_layer"], &written["history"][1]["empty_layer"]),
            (&Value::Null, &json!(true))
        );
    }

    #[test]
    fn null_and_missing_are_the_same() {
        let mut document = document(1);
        document["config"] = json!({ "Cmd": null, "Env": null });
        document["history"] = Value::Null;
        let config = parse(&document).unwrap();
        assert!(config.created.is_none() && config.config.is_some_and(|settings| settings.cmd.is_none()));
        let new = ImageConfig::new(Settings::default()).document().unwrap();
        assert!(!String::from_utf8(new).unwrap().contains("null"));
    }

    #[test]
    fn what_cannot_run_here_is_refused() {
        let changed = |key: &str, value: Value| {
            let mut document = document(1);
            document[key] = value;
            document
        };
        for document in [
            changed("architecture", json!("pdp11")),
            changed("os", json!("windows")),
            changed("rootfs", json!({ "type": "windows", "diff_ids": [Digest::of(b"layer")] })),
            changed("rootfs", json!({ "type": "layers", "diff_ids": ["sha256:12"] })),
            document(0),
            document(MOST_LAYERS + 1),
            json!([]),
        ] {
            assert!(parse(&document).is_err(), "{document}");
        }
    }
}
