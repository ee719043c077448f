//! `gatehouse-agent-aws`: the agent for Amazon API Gateway.

fn main() {}
