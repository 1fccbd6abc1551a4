import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.internal.TextListener;
import org.junit.internal.RealSystem;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.Request;
import org.junit.runner.manipulation.Filter;

/** Runs the JUnit tests of the named classes, without those named as {@code -Class#method}. */
public final class RunTests {
    public static void main(String[] words) throws Exception {
        List<Class<?>> classes = new ArrayList<>();
        Set<String> left = new HashSet<>();
        for (String word : words) {
            if (word.startsWith("-")) {
                left.add(word.substring(1));
            } else {
                classes.add(Class.forName(word));
            }
        }
        Filter filter = new Filter() {
            @Override
            public boolean shouldRun(Description test) {
                if (!test.isTest()) {
                    return test.getChildren().stream().anyMatch(this::shouldRun);
                }
                String name = test.getTestClass().getSimpleName() + "#" + test.getMethodName();
                return !left.contains(name);
            }

            @Override
            public String describe() {
                return "without what is left out";
            }
        };
        JUnitCore core = new JUnitCore();
        core.addListener(new TextListener(new RealSystem()));
        Request request = Request.classes(classes.toArray(new Class<?>[0])).filterWith(filter);
        boolean passed = core.run(request).wasSuccessful();
        // Threads of clients that were left behind would keep the program alive.
        System.exit(passed ? 0 : 1);
    }
}
