//! Everything that is tried with real parts: Postgres with logical replication, SQS and DynamoDB protocols.
//!
//! One binary, because every test links the whole tree. Servers are shared between tests and test processes; every test
//! has a database and an AWS account of its own.

#![cfg(test)]

mod admin;
mod adopt;
mod agent_loop;
mod archive;
mod asking;
mod cdc_reader;
mod delivery;
mod erasure;
mod facts;
mod flow;
mod gate;
mod ground;
mod guard;
mod hot_state;
mod ingest;
mod isolation;
mod janitor;
mod mcp;
mod memories;
mod memory_curator;
mod memory_search;
mod messages;
mod models;
mod notifier;
mod openapi;
mod pattern_finder;
mod queue;
mod recall;
mod reviews;
mod row_security;
mod sessions;
mod seventh_agent;
mod steering;
mod tenants;
mod tls;
mod wiring;
mod working;
