//! Submits a job through the generated Rust client, waits for it, and reads an error.
use std::env::var;

use runpod_queue::apis::configuration::{ApiKey, Configuration};
use runpod_queue::apis::{endpoint_api, jobs_api, Error};
use runpod_queue::models::{self, RunRequest, StreamAnswer};
use serde_json::json;

fn at(variable: &str) -> Configuration {
    let mut configuration = Configuration::new();
    configuration.base_path = var(variable).unwrap();
    configuration
}

fn main() {
    let mut configuration = at("RUNPOD_ENDPOINT_BASE_URL");
    configuration.bearer_access_token = var("RUNPOD_API_KEY").ok();

    let run = |value: serde_json::Value| {
        let input = [("mock_return".to_string(), value)].into();
        let request = RunRequest { input: Some(Some(input)), ..RunRequest::new() };
        jobs_api::run(&configuration, "jobs", request).unwrap()
    };
    let submitted = run(json!("hello"));
    assert_eq!(submitted.status, "IN_QUEUE");
    let job = jobs_api::get_status_sync(&configuration, "jobs", &submitted.id, Some(60000)).unwrap();
    assert_eq!(job.status, "COMPLETED");
    let job = jobs_api::get_status(&configuration, "jobs", &submitted.id, None).unwrap();
    assert_eq!(job.output, Some(Some(json!("hello"))));

    let streamed = run(json!(["a"]));
    match jobs_api::stream(&configuration, "jobs", &streamed.id, None).unwrap() {
        StreamAnswer::StreamResult(answer) => assert_eq!(answer.stream[0].output, Some(json!("a"))),
        StreamAnswer::StreamChunks(_) => panic!("the bare list of chunks is not what the service sends"),
    }
    println!("fact: stream: an enum, `StreamAnswer`");

    assert!(endpoint_api::health(&configuration, "jobs").unwrap().jobs.completed >= 1);

    match jobs_api::get_status(&configuration, "jobs", "no-such-job", None) {
        Err(Error::ResponseError(answer)) => match answer.entity {
            Some(jobs_api::GetStatusError::Status400(refusal)) => match refusal {
                models::Error::ErrorMessage(message) => assert!(message.error.contains("not found")),
                models::Error::Problem(problem) => assert!(problem.detail.contains("not found")),
            },
            other => panic!("an Error expected, not {other:?}"),
        },
        other => panic!("404 expected, not {other:?}"),
    }
    println!("fact: errors: `ResponseError`, whose `entity` has the enum `Error`; its variant is not the status");

    let odd = jobs_api::get_status(&at("RUNPOD_ODD_BASE_URL"), "jobs", &submitted.id, None).unwrap();
    assert_eq!(odd.status, "PAUSED");
    println!("fact: unknown status: kept, as the enum is taken out first");

    let mut bare = at("RUNPOD_ENDPOINT_BASE_URL");
    bare.api_key = Some(ApiKey { prefix: None, key: var("RUNPOD_API_KEY").unwrap() });
    endpoint_api::health(&bare, "jobs").unwrap();
    println!("fact: bare key: `api_key`, without a prefix");

    println!("Rust: run, status-sync, status, stream, health and an error answered as they must");
}
