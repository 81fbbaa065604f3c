//! How much a layer may take of the disk: what an archive claims is compared with what is free before it is written.

use anyhow::{Context, Result, bail};
use nix::sys::statvfs::fstatvfs;
use std::fs::File;

pub struct Room {
    /// Of a filesystem that has a size.
    free_bytes: Option<u64>,
    /// Of a filesystem that counts them: some make them as they go.
    free_nodes: Option<u64>,
    bytes: u64,
    nodes: u64,
}

impl Room {
    /// What the filesystem has free now.
    pub fn of(directory: &File) -> Result<Room> {
        let filesystem = fstatvfs(directory).context("look at the room on the filesystem")?;
        Ok(Room {
            free_bytes: (filesystem.blocks() > 0)
                .then(|| filesystem.blocks_available().saturating_mul(filesystem.fragment_size())),
            free_nodes: (filesystem.files() > 0).then(|| filesystem.files_available()),
            bytes: 0,
            nodes: 0,
        })
    }

    /// Counts one more file.
    pub fn take(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.nodes += 1;
        if let Some(free) = self.free_bytes.filter(|free| self.bytes > *free) {
            bail!("with it the archive has {} bytes, and the filesystem has {free} free", self.bytes);
        }
        if let Some(free) = self.free_nodes.filter(|free| self.nodes > *free) {
            bail!("with it the archive has {} files, and the filesystem has room for {free}", self.nodes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    fn room(free_bytes: Option<u64>, free_nodes: Option<u64>) -> Room {
        Room { free_bytes, free_nodes, bytes: 0, nodes: 0 }
    }

    #[test]
    fn the_sum_counts_and_not_one_file() {
        let mut bytes = room(Some(10), None);
        bytes.take(6).unwrap();
        bytes.take(4).unwrap();
        assert!(bytes.take(1).is_err());
        assert!(bytes.take(u64::MAX).is_err());
        let mut nodes = room(None, Some(1));
        nodes.take(u64::MAX).unwrap();
        assert!(nodes.take(0).is_err());
    }
}
