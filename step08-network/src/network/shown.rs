//! What commands show of networks, of those who are connected to them, and of published ports.

use super::ports::{ContainerPort, Port};
use super::records::{Leases, Networks};
use super::{Endpoint, Network};
use crate::container::Container;
use crate::image::store::Store;
use crate::output;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A network, with Docker's keys.
pub fn describe(network: &Network, leases: &Leases) -> Value {
    let addresses = network.addresses.iter();
    let config: Vec<_> = addresses.map(|it| json!({ "Subnet": it.subnet, "Gateway": it.gateway })).collect();
    let container = |it: &Endpoint| {
        let mut document = describe_endpoint(network, it);
        document["Name"] = json!(it.names.first());
        (it.container.clone(), document)
    };
    let containers: Map<String, Value> = leases.endpoints.iter().map(container).collect();
    json!({
        "Name": network.name,
        "Id": network.id,
        "Scope": "local",
        "Driver": network.driver,
        "IPAM": { "Driver": "default", "Config": config },
        "Internal": network.internal,
        "Containers": containers,
    })
}

fn describe_endpoint(network: &Network, endpoint: &Endpoint) -> Value {
    let plug = endpoint.plug.as_ref();
    let mac = plug.map(|it| it.mac.map(|byte| format!("{byte:02x}")).join(":"));
    let address = plug.zip(network.addresses.as_ref());
    let address = address.map(|(it, addresses)| format!("{}/{}", it.address, addresses.subnet.prefix));
    json!({
        "EndpointID": endpoint.id,
        "MacAddress": mac.unwrap_or_default(),
        "IPv4Address": address.unwrap_or_default(),
    })
}

/// A container's networks, for `inspect`: what it has of each, by the network's name.
pub fn describe_all(store: &Store, container: &str) -> Result<Value> {
    let networks = Networks::of(store);
    let mut all = Map::new();
    for endpoint in networks.endpoints_of(container)? {
        let network = networks.find(&endpoint.network)?;
        let mut document = describe_endpoint(&network, &endpoint);
        document["Gateway"] = json!(network.addresses.as_ref().map(|it| it.gateway));
        document["Interface"] = json!(endpoint.plug.as_ref().map(|it| &it.interface));
        document["Ports"] = endpoint.ports.iter().map(ToString::to_string).collect();
        all.insert(endpoint.network, document);
    }
    Ok(all.into())
}

/// The published ports of all containers, by their ids, as `ps` shows them.
pub fn published(store: &Store) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for endpoint in Networks::of(store).endpoints()? {
        all.entry(endpoint.container).or_default().extend(endpoint.ports.iter().map(Port::arrow));
    }
    Ok(all.into_iter().map(|(id, ports)| (id, ports.join(", "))).collect())
}

/// `port`: all of a container's, or where one of them is published.
pub fn list_ports(store: &Store, container: &str, wanted: Option<&ContainerPort>) -> Result<()> {
    let container = Container::find(store, container)?;
    let endpoints = Networks::of(store).endpoints_of(&container.record.id)?;
    let ports: Vec<&Port> = endpoints.iter().flat_map(|endpoint| &endpoint.ports).collect();
    let Some(wanted) = wanted else {
        return ports.iter().try_for_each(|port| output::print_line(&port.to_string()));
    };
    let found: Vec<_> = ports.iter().filter(|port| wanted.is(port)).collect();
    if found.is_empty() {
        bail!("container {}: its port {wanted} is not published", container.title());
    }
    found.iter().try_for_each(|port| output::print_line(&port.place()))
}
