import java.net.http.HttpClient;
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
        String key = System.getenv("RUNPOD_API_KEY");
        ApiClient client = at("RUNPOD_ENDPOINT_BASE_URL", "Bearer " + key);
        JobsApi jobs = new JobsApi(client);

        var submitted = jobs.run("jobs", new RunRequest().input(Map.of("mock_return", "hello")));
        expect(JobStatus.IN_QUEUE, submitted.getStatus());
        expect(JobStatus.COMPLETED, jobs.getStatusSync("jobs", submitted.getId(), 60000).getStatus());
        expect("hello", jobs.getStatus("jobs", submitted.getId(), null).getOutput());

        var streamed = jobs.run("jobs", new RunRequest().input(Map.of("mock_return", new String[] {"a"})));
        var chunks = jobs.stream("jobs", streamed.getId(), null);
        expect("a", chunks.get("stream").get(0).get("output").asText());
        fact("stream", "a `JsonNode`, by `--schema-mappings`");

        expect(true, new EndpointApi(client).health("jobs").getJobs().getCompleted() >= 1);

        try {
            jobs.getStatus("jobs", "no-such-job", null);
            throw new AssertionError("a job that does not exist was found");
        } catch (ApiException error) {
            expect(404, error.getCode());
            expect(true, error.getResponseBody().contains("not found"));
        }
        fact("errors", "`ApiException`, with `getResponseBody()` as text");

        var odd = new JobsApi(at("RUNPOD_ODD_BASE_URL", key)).getStatus("jobs", submitted.getId(), null);
        expect(JobStatus.UNKNOWN_DEFAULT_OPEN_API, odd.getStatus());
        fact("unknown status", "`UNKNOWN_DEFAULT_OPEN_API`, by `enumUnknownDefaultCase`");

        expect(0L, new EndpointApi(at("RUNPOD_ENDPOINT_BASE_URL", key)).health("jobs").getJobs().getFailed());
        fact("bare key", "as a header, in the request interceptor");
        System.out.println("java: run, status-sync, status, stream, health and an error answered as they must");
    }

    private static ApiClient at(String variable, String authorization) {
        ApiClient client = new ApiClient();
        client.setHttpClientBuilder(HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1));
        client.updateBaseUri(System.getenv(variable));
        client.setRequestInterceptor(request -> request.header("Authorization", authorization));
        return client;
    }

    private static void fact(String about, String seen) {
        System.out.println("fact: " + about + ": " + seen);
    }

    private static void expect(Object want, Object got) {
        if (!want.equals(got)) {
            throw new AssertionError("expected " + want + ", got " + got);
        }
    }
}
