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
	configuration := queue.NewConfiguration()
	configuration.Servers = queue.ServerConfigurations{{URL: os.Getenv("RUNPOD_ENDPOINT_BASE_URL")}}
	client := queue.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), queue.ContextAccessToken, os.Getenv("RUNPOD_API_KEY"))

	request := queue.NewRunRequest(map[string]interface{}{"mock_return": "hello"})
	submitted, _, err := client.JobsAPI.Run(ctx, "jobs").RunRequest(*request).Execute()
	check(err)
	expect(queue.IN_QUEUE, submitted.Status)

	job, _, err := client.JobsAPI.GetStatusSync(ctx, "jobs", submitted.Id).Wait(60000).Execute()
	check(err)
	expect(queue.COMPLETED, job.Status)
	job, _, err = client.JobsAPI.GetStatus(ctx, "jobs", submitted.Id).Execute()
	check(err)
	expect("hello", job.Output)

	request = queue.NewRunRequest(map[string]interface{}{"mock_return": []string{"a"}})
	streamed, _, err := client.JobsAPI.Run(ctx, "jobs").RunRequest(*request).Execute()
	check(err)
	chunks, _, err := client.JobsAPI.Stream(ctx, "jobs", streamed.Id).Execute()
	check(err)
	expect("a", chunks.StreamResult.Stream[0].Output)

	health, _, err := client.EndpointAPI.Health(ctx, "jobs").Execute()
	check(err)
	expect(true, health.Jobs.Completed >= 1)

	_, answer, err := client.JobsAPI.GetStatus(ctx, "jobs", "no-such-job").Execute()
	expect(true, err != nil)
	expect(404, answer.StatusCode)
	fmt.Println("go: run, status-sync, status, stream, health and an error answered as they must")
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
