//! Flow control with real Postgres, SQS and DynamoDB protocols: what becomes of windows that fail, wait, sleep, cost, are
//! set aside and thought about again.

mod budget;
mod choice;
mod poison;
mod stage;
mod waiting;
