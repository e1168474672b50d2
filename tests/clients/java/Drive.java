import java.util.Map;
import queue.ApiClient;
import queue.ApiException;
import queue.api.EndpointApi;
import queue.api.JobsApi;
import queue.model.JobStatus;
import queue.model.RunRequest;

/** Submits a job through the generated Java client, waits for it, and reads an error. */
public class Drive {
    public static void main(String[] arguments) throws ApiException {
        ApiClient client = new ApiClient();
        client.updateBaseUri(System.getenv("RUNPOD_ENDPOINT_BASE_URL"));
        String key = System.getenv("RUNPOD_API_KEY");
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
        JobsApi jobs = new JobsApi(client);

        var submitted = jobs.run("jobs", new RunRequest().input(Map.of("mock_return", "hello")));
        expect(JobStatus.IN_QUEUE, submitted.getStatus());
        expect(JobStatus.COMPLETED, jobs.getStatusSync("jobs", submitted.getId(), 60000).getStatus());
        expect("hello", jobs.getStatus("jobs", submitted.getId(), null).getOutput());

        var streamed = jobs.run("jobs", new RunRequest().input(Map.of("mock_return", new String[] {"a"})));
        var chunks = jobs.stream("jobs", streamed.getId(), null);
        expect("a", chunks.get("stream").get(0).get("output").asText());

        expect(true, new EndpointApi(client).health("jobs").getJobs().getCompleted() >= 1);

        try {
            jobs.getStatus("jobs", "no-such-job", null);
            throw new AssertionError("a job that does not exist was found");
        } catch (ApiException error) {
            expect(404, error.getCode());
        }
        System.out.println("java: run, status-sync, status, stream, health and an error answered as they must");
    }

    private static void expect(Object want, Object got) {
        if (!want.equals(got)) {
            throw new AssertionError("expected " + want + ", got " + got);
        }
    }
}
