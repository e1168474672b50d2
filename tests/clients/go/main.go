// Submits a job through the generated Go client, waits for it, and reads an error.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	queue "example.com/acme/runpodqueue"
)

func main() {
	key := os.Getenv("RUNPOD_API_KEY")
	client := at("RUNPOD_ENDPOINT_BASE_URL")
	ctx := context.WithValue(context.Background(), queue.ContextAccessToken, key)

	request := queue.NewRunRequest()
	request.SetInput(map[string]interface{}{"mock_return": "hello"})
	submitted, _, err := client.JobsAPI.Run(ctx, "jobs").RunRequest(*request).Execute()
	check(err)
	expect(queue.IN_QUEUE, submitted.Status)

	job, _, err := client.JobsAPI.GetStatusSync(ctx, "jobs", submitted.Id).Wait(60000).Execute()
	check(err)
	expect(queue.COMPLETED, job.Status)
	job, _, err = client.JobsAPI.GetStatus(ctx, "jobs", submitted.Id).Execute()
	check(err)
	expect("hello", job.Output)

	request.SetInput(map[string]interface{}{"mock_return": []string{"a"}})
	streamed, _, err := client.JobsAPI.Run(ctx, "jobs").RunRequest(*request).Execute()
	check(err)
	chunks, _, err := client.JobsAPI.Stream(ctx, "jobs", streamed.Id).Execute()
	check(err)
	expect("a", chunks.StreamResult.Stream[0].Output)
	fact("stream", "`StreamAnswer`, with a field for each branch, one of them not nil")

	health, _, err := client.EndpointAPI.Health(ctx, "jobs").Execute()
	check(err)
	expect(true, health.Jobs.Completed >= 1)

	_, answer, err := client.JobsAPI.GetStatus(ctx, "jobs", "no-such-job").Execute()
	expect(404, answer.StatusCode)
	failure, is := err.(*queue.GenericOpenAPIError)
	expect(true, is)
	refusal, is := failure.Model().(queue.Error)
	expect(true, is)
	expect(true, (refusal.ErrorMessage == nil) != (refusal.Problem == nil))
	fact("errors", "`GenericOpenAPIError`, whose `Model()` is an `Error` with a field for each branch")

	odd, _, err := at("RUNPOD_ODD_BASE_URL").JobsAPI.GetStatus(ctx, "jobs", submitted.Id).Execute()
	check(err)
	expect(queue.JOBSTATUS_UNKNOWN_DEFAULT_OPEN_API, odd.Status)
	fact("unknown status", "`UNKNOWN_DEFAULT_OPEN_API`, by `enumUnknownDefaultCase`")

	bare := context.WithValue(context.Background(), queue.ContextAPIKeys,
		map[string]queue.APIKey{"rawKey": {Key: key}})
	_, _, err = client.EndpointAPI.Health(bare, "jobs").Execute()
	check(err)
	fact("bare key", "`ContextAPIKeys`, as `rawKey`")
	fmt.Println("go: run, status-sync, status, stream, health and an error answered as they must")
}

func at(variable string) *queue.APIClient {
	configuration := queue.NewConfiguration()
	configuration.Servers = queue.ServerConfigurations{{URL: os.Getenv(variable)}}
	return queue.NewAPIClient(configuration)
}

func fact(about, seen string) {
	fmt.Printf("fact: %s: %s\n", about, seen)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(want, got interface{}) {
	if want != got {
		log.Fatalf("expected %v, got %v", want, got)
	}
}
