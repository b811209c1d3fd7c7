import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeSet;
import software.amazon.event.ruler.Machine;

/**
 * Says which event patterns match which events, by the matcher that EventBridge is built on.
 *
 * <p>Standard input: a line with all patterns, as a JSON object by name; then an event in each line. Standard output:
 * for each event a line with the names of the patterns that match it, as a sorted JSON array.
 */
public final class Matcher {
  public static void main(String[] arguments) throws Exception {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    ObjectMapper json = new ObjectMapper();
    Machine machine = Machine.builder().build();
    for (Map.Entry<String, JsonNode> each : json.readTree(lines.readLine()).properties()) {
      machine.addRule(each.getKey(), each.getValue().toString());
    }
    for (String event = lines.readLine(); event != null; event = lines.readLine()) {
      System.out.println(
          json.writeValueAsString(new TreeSet<>(machine.rulesForJSONEvent(event))));
    }
  }
}
