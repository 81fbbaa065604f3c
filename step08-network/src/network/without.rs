//! The drivers that connect nothing: `none` leaves a container alone with its `lo`, and a container with `host` has no
//! network namespace of its own.

use super::{Endpoint, Network, NetworkDriver};
use anyhow::Result;

pub struct Without;

impl NetworkDriver for Without {
    fn create(&self, _network: &Network) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _network: &Network) -> Result<()> {
        Ok(())
    }

    fn connect(&self, _network: &Network, _endpoint: &Endpoint, _process: i32) -> Result<()> {
        Ok(())
    }

    fn disconnect(&self, _network: &Network, _endpoint: &Endpoint) -> Result<()> {
        Ok(())
    }
}
