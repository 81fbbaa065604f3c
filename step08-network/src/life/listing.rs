//! `ps` and `inspect`: what is known of containers.

use super::told_each;
use crate::container::{Container, Record, Status};
use crate::image::store::Store;
use crate::image::time::Time;
use crate::{network, output, table};
use anyhow::{Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::cmp::Reverse;

#[derive(Args)]
pub struct Ps {
    /// Show those that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON document a line
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,
    /// Show only those with status=, name=, id= or ancestor=, the image
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter)]
    filter: Vec<(String, String)>,
}

/// A container as a line of the list.
struct Row {
    record: Record,
    status: Status,
    image: String,
    ports: String,
}

impl Ps {
    pub fn run(&self, store: &Store) -> Result<u8> {
        let tags = store.tags()?;
        let ports = network::published(store)?;
        let mut rows = Vec::new();
        for mut container in Container::list(store)? {
            let status = container.status()?;
            let tag = tags.iter().find(|(_, id)| Some(id) == container.record.image.as_ref());
            let image = match (tag, &container.record.image) {
                (Some((name, _)), _) => name.to_string().trim_end_matches(":latest").to_owned(),
                (None, Some(id)) => id.short().to_owned(),
                (None, None) => "<directory>".to_owned(),
            };
            let ports = ports.get(&container.record.id).cloned().unwrap_or_default();
            rows.push(Row { record: container.record, status, image, ports });
        }
        let by_status = self.all || self.filter.iter().any(|(key, _)| key == "status");
        rows.retain(|row| by_status || matches!(row.status, Status::Running | Status::Paused));
        rows.retain(|row| self.filter.iter().all(|(key, value)| row.matches(key, value)));
        rows.sort_by_key(|row| Reverse(row.record.state.created));
        let text = if self.quiet {
            rows.iter().map(|row| format!("{}\n", row.record.id)).collect()
        } else if self.format.is_some() {
            rows.iter().map(|row| format!("{}\n", row.json())).collect()
        } else {
            let title = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
            let title = title.map(str::to_owned);
            table::aligned(&[vec![title.to_vec()], rows.iter().map(Row::cells).collect()].concat())
        };
        output::print(text.as_bytes())?;
        Ok(0)
    }
}

impl Row {
    fn matches(&self, key: &str, value: &str) -> bool {
        match key {
            "status" => self.status.word() == value,
            "name" => self.record.name.as_ref().is_some_and(|name| name.contains(value)),
            "id" => self.record.id.starts_with(value),
            _ => self.image == value.strip_suffix(":latest").unwrap_or(value),
        }
    }

    fn cells(&self) -> Vec<String> {
        const WIDEST: usize = 20;
        let mut command = self.record.settings.command_line();
        if command.chars().count() > WIDEST {
            command = command.chars().take(WIDEST - 1).chain(['…']).collect();
        }
        vec![
            self.record.id.clone(),
            self.image.clone(),
            format!("{command:?}"),
            self.record.state.created.before(Time::now()),
            self.told_status(),
            self.ports.clone(),
            self.record.name.clone().unwrap_or_default(),
        ]
    }

    /// With Docker's keys.
    fn json(&self) -> Value {
        json!({
            "ID": self.record.id,
            "Image": self.image,
            "Command": self.record.settings.command_line(),
            "CreatedAt": self.record.state.created.shown(),
            "State": self.status.word(),
            "Status": self.told_status(),
            "Ports": self.ports,
            "Names": self.record.name.as_deref().unwrap_or_default(),
        })
    }

    fn told_status(&self) -> String {
        let state = &self.record.state;
        let since = |time: Option<Time>| time.unwrap_or_default().before(Time::now());
        let up = || since(state.started).trim_end_matches(" ago").to_owned();
        match self.status {
            Status::Created => "Created".to_owned(),
            Status::Running => format!("Up {}", up()),
            Status::Paused => format!("Up {} (Paused)", up()),
            Status::Exited => {
                format!("Exited ({}) {}", state.exit_code.unwrap_or_default(), since(state.finished))
            }
        }
    }
}

fn filter(text: &str) -> Result<(String, String)> {
    let Some((key, value)) = text.split_once('=') else {
        bail!("a filter is KEY=VALUE, such as status=exited")
    };
    ensure!(
        ["status", "name", "id", "ancestor"].contains(&key),
        "{key:?} is not one of status, name, id and ancestor"
    );
    ensure!(
        key != "status" || Status::WORDS.contains(&value),
        "{value:?} is not one of {}",
        Status::WORDS.join(", ")
    );
    Ok((key.to_owned(), value.to_owned()))
}

/// Prints the records as a list, each with what the kernel says of it.
pub fn inspect(store: &Store, names: &[String]) -> Result<u8> {
    let mut found = Vec::new();
    let code = told_each(store, names, &mut |container, _| {
        let status = container.status()?;
        let mut document = serde_json::to_value(&container.record)?;
        document["state"]["status"] = status.word().into();
        document["networks"] = network::describe_all(store, &container.record.id)?;
        found.push(document);
        Ok(())
    })?;
    output::print_line(&serde_json::to_string_pretty(&found)?)?;
    Ok(code)
}
