//! Submits a job through the generated Rust client, waits for it, and reads an error.
use std::env::var;

use runpod_queue::apis::configuration::Configuration;
use runpod_queue::apis::{endpoint_api, jobs_api, Error};
use runpod_queue::models::{JobStatus, RunRequest, StreamAnswer};
use serde_json::json;

fn main() {
    let mut configuration = Configuration::new();
    configuration.base_path = var("RUNPOD_ENDPOINT_BASE_URL").unwrap();
    configuration.bearer_access_token = var("RUNPOD_API_KEY").ok();

    let run = |value: serde_json::Value| {
        let input = [("mock_return".to_string(), value)].into();
        jobs_api::run(&configuration, "jobs", RunRequest::new(input)).unwrap()
    };
    let submitted = run(json!("hello"));
    assert_eq!(submitted.status, JobStatus::InQueue);
    let job = jobs_api::get_status_sync(&configuration, "jobs", &submitted.id, Some(60000)).unwrap();
    assert_eq!(job.status, JobStatus::Completed);
    let job = jobs_api::get_status(&configuration, "jobs", &submitted.id, None).unwrap();
    assert_eq!(job.output, Some(Some(json!("hello"))));

    let streamed = run(json!(["a"]));
    match jobs_api::stream(&configuration, "jobs", &streamed.id, None).unwrap() {
        StreamAnswer::StreamResult(answer) => assert_eq!(answer.stream[0].output, Some(json!("a"))),
        StreamAnswer::StreamChunks(_) => panic!("the bare list of chunks is not what the service sends"),
    }

    assert!(endpoint_api::health(&configuration, "jobs").unwrap().jobs.completed >= 1);

    match jobs_api::get_status(&configuration, "jobs", "no-such-job", None) {
        Err(Error::ResponseError(answer)) => assert_eq!(answer.status.as_u16(), 404),
        other => panic!("404 expected, not {other:?}"),
    }
    println!("rust: run, status-sync, status, stream, health and an error answered as they must");
}
