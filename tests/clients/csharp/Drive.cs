using System;
using System.Collections.Generic;
using RunpodQueue.Api;
using RunpodQueue.Client;
using RunpodQueue.Model;

/// <summary>Submits a job through the generated C# client, waits for it, and reads an error.</summary>
public static class Drive
{
    public static void Main()
    {
        string place = Environment.GetEnvironmentVariable("RUNPOD_ENDPOINT_BASE_URL");
        string key = Environment.GetEnvironmentVariable("RUNPOD_API_KEY");
        var configuration = new Configuration { BasePath = place, AccessToken = key };
        var jobs = new JobsApi(configuration);

        string job = Submit(jobs, "hello");
        Expect("COMPLETED", jobs.GetStatusSync("jobs", job, 60000).Status);
        Expect("hello", jobs.GetStatus("jobs", job).Output);

        StreamAnswer chunks = jobs.Stream("jobs", Submit(jobs, new[] { "a" }));
        Expect("a", chunks.GetStreamResult().Stream[0].Output);
        Fact("stream", "`StreamAnswer`, with `GetStreamResult()` and `GetList()`");

        Expect(true, new EndpointApi(configuration).Health("jobs").Jobs.Completed >= 1);

        try
        {
            jobs.GetStatus("jobs", "no-such-job");
            throw new InvalidOperationException("a job that does not exist was found");
        }
        catch (ApiException error)
        {
            Expect(404, error.ErrorCode);
            Expect(true, ((string)error.ErrorContent).Contains("not found"));
        }
        Fact("errors", "`ApiException`, with `ErrorContent` as text");

        string odd = Environment.GetEnvironmentVariable("RUNPOD_ODD_BASE_URL");
        var unknown = new JobsApi(new Configuration { BasePath = odd }).GetStatus("jobs", job).Status;
        Expect("PAUSED", unknown);
        Fact("unknown status", "kept, as the enum is taken out first");

        var bare = new Configuration { BasePath = place };
        bare.AddApiKey("Authorization", key);
        Expect(0L, new EndpointApi(bare).Health("jobs").Jobs.Failed);
        Fact("bare key", "`AddApiKey(\"Authorization\", key)`");

        Console.WriteLine("C#: run, status-sync, status, stream, health and an error answered as they must");
    }

    private static string Submit(JobsApi jobs, object value)
    {
        var input = new Dictionary<string, object> { { "mock_return", value } };
        SubmittedJob submitted = jobs.Run("jobs", new RunRequest(input));
        Expect("IN_QUEUE", submitted.Status);
        return submitted.Id;
    }

    private static void Expect(object want, object got)
    {
        if (!want.Equals(got)) throw new InvalidOperationException("expected " + want + ", got " + got);
    }

    private static void Fact(string about, string seen)
    {
        Console.WriteLine("fact: " + about + ": " + seen);
    }
}
