//! Webhooks out: where a tenant wants to be told of changes, and what is sent there.
//!
//! A change of a memory writes its messages itself, in its own transaction (a trigger of the migration). Whoever sends takes
//! an endpoint for a while, so that its messages go out one after the other, and writes every attempt down.

mod deliveries;
mod endpoints;

pub use self::deliveries::{
    Attempt, ClaimedEndpoint, DeliveryFilter, DeliveryRecord, DeliveryStatus, EndpointEnd, Replay, Settled,
    WaitingDelivery,
};
pub use self::endpoints::{Endpoint, EndpointPatch, NewEndpoint, secret_place};
