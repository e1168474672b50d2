<?php
// Submits a job through the generated PHP client, waits for it, and reads an error.
// The argument is what loads Guzzle; a program that uses Composer requires vendor/autoload.php instead.

declare(strict_types=1);

require $argv[1];
spl_autoload_register(function (string $class): void {
    require __DIR__ . '/php/lib/' . str_replace('\\', '/', substr($class, strlen('RunpodQueue\\'))) . '.php';
});

use RunpodQueue\Api\EndpointApi;
use RunpodQueue\Api\JobsApi;
use RunpodQueue\ApiException;
use RunpodQueue\Configuration;
use RunpodQueue\Model\JobStatus;
use RunpodQueue\Model\RunRequest;

function expect(mixed $want, mixed $got): void
{
    if ($want !== $got) {
        throw new LogicException('expected ' . var_export($want, true) . ', got ' . var_export($got, true));
    }
}

function fact(string $about, string $seen): void
{
    echo "fact: $about: $seen\n";
}

function submit(JobsApi $jobs, mixed $value): string
{
    $submitted = $jobs->run('jobs', new RunRequest(['input' => ['mock_return' => $value]]));
    expect(JobStatus::IN_QUEUE, $submitted->getStatus());
    return $submitted->getId();
}

$at = fn (string $variable) => (new Configuration())->setHost(getenv($variable));
$configuration = $at('RUNPOD_ENDPOINT_BASE_URL')->setAccessToken(getenv('RUNPOD_API_KEY'));
$jobs = new JobsApi(config: $configuration);
expect('https://api.runpod.ai/v2', (new Configuration())->getHost());

$job = submit($jobs, 'hello');
expect(JobStatus::COMPLETED, $jobs->getStatusSync('jobs', $job, 60000)->getStatus());
expect('hello', $jobs->getStatus('jobs', $job)->getOutput());

$chunks = $jobs->stream('jobs', submit($jobs, ['a']));
expect('a', $chunks->getStream()[0]->getOutput());
fact('stream', 'the object; a bare list is not read');

expect(true, (new EndpointApi(config: $configuration))->health('jobs')->getJobs()->getCompleted() >= 1);

try {
    $jobs->getStatus('jobs', 'no-such-job');
    throw new LogicException('a job that does not exist was found');
} catch (ApiException $error) {
    expect(404, $error->getCode());
    expect(true, str_contains($error->getResponseBody(), 'not found'));
}
fact('errors', '`ApiException`, with `getResponseBody()` as text');

$odd = (new JobsApi(config: $at('RUNPOD_ODD_BASE_URL')))->getStatus('jobs', $job);
expect(JobStatus::UNKNOWN_DEFAULT_OPEN_API, $odd->getStatus());
fact('unknown status', '`UNKNOWN_DEFAULT_OPEN_API`, by `enumUnknownDefaultCase`');

$bare = $at('RUNPOD_ENDPOINT_BASE_URL')->setApiKey('Authorization', getenv('RUNPOD_API_KEY'));
expect(0, (new EndpointApi(config: $bare))->health('jobs')->getJobs()->getFailed());
fact('bare key', '`setApiKey(\'Authorization\', $key)`');

echo "PHP: run, status-sync, status, stream, health and an error answered as they must\n";
