import java.net.Authenticator;
import java.net.CookieManager;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** `java Clients.java java|java-follow CASES SECONDS`: asks every case of a file and prints its version, and `CASE OUTCOME SECONDS` lines. */
public class Clients {
    private static final Pattern CASE =
        Pattern.compile("\"case\": \"([^\"]*)\",\\s*\"url\": \"([^\"]*)\",\\s*\"credentials\": (null|\"[a-z]*\")");

    public static void main(String[] arguments) throws Exception {
        boolean follows = arguments[0].equals("java-follow");
        long seconds = (long) Double.parseDouble(arguments[2]);
        System.out.println("version " + System.getProperty("java.version"));
        Executor executor = Executors.newCachedThreadPool();
        List<CompletableFuture<Void>> all = new ArrayList<>();
        // A pool of connections for each, as of an application that has one.
        List<HttpClient> clients = new ArrayList<>();
        Matcher found = CASE.matcher(Files.readString(Path.of(arguments[1])));
        while (found.find()) {
            String name = found.group(1), url = found.group(2);
            HttpClient.Builder builder = HttpClient.newBuilder().executor(executor);
            if (follows) {
                builder.followRedirects(HttpClient.Redirect.ALWAYS).cookieHandler(new CookieManager());
                builder.authenticator(new Authenticator() {
                    @Override
                    protected PasswordAuthentication getPasswordAuthentication() {
                        return new PasswordAuthentication("aladdin", "open sesame".toCharArray());
                    }
                });
            }
            HttpClient client = builder.build();
            clients.add(client);
            WebSocket.Builder socket = client.newWebSocketBuilder();
            if (found.group(3).contains("header")) {
                String login = Base64.getEncoder().encodeToString("aladdin:open sesame".getBytes());
                socket.header("Authorization", "Basic " + login);
            }
            long start = System.nanoTime();
            CompletableFuture<Void> one = CompletableFuture
                .supplyAsync(() -> socket.buildAsync(URI.create(url), new WebSocket.Listener() {}), executor)
                .thenCompose(opening -> opening)
                .orTimeout(seconds, TimeUnit.SECONDS)
                .handle((opened, failure) -> {
                    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                    String outcome = opened != null ? "open" : cause instanceof TimeoutException ? "pending" : "error";
                    double took = (System.nanoTime() - start) / 1e9;
                    synchronized (System.out) {
                        System.out.printf("%s %s %.1f%n", name, outcome, took);
                    }
                    return null;
                });
            all.add(one);
        }
        all.forEach(CompletableFuture::join);
        System.out.flush();
        // What is still pending is left as it is.
        Runtime.getRuntime().halt(0);
    }
}
