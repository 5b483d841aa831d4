package org.retort.testing;

import java.lang.management.ManagementFactory;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;

/** Makes every call several times and prints how many Java objects native code then keeps. */
public final class KeptReferences {
  /** Before each line of them. */
  public static final String PREFIX = "JNI global refs: ";

  /** Fewer than the calls that fail in each repetition. */
  public static final int FAILURES = 30;

  private static final int REPETITIONS = 3;

  private KeptReferences() {}

  /** Leaves its files in the current folder. */
  public static void main(String[] args) throws JMException {
    for (int i = 0; i < REPETITIONS; i++) {
      EveryCall.main(args);
      System.out.println(PREFIX + globalReferences());
    }
  }

  /** Returns the number of JNI's global references, as the virtual machine's thread dump has it. */
  private static int globalReferences() throws JMException {
    Object dump =
        ManagementFactory.getPlatformMBeanServer()
            .invoke(
                new ObjectName("com.sun.management:type=DiagnosticCommand"),
                "threadPrint",
                new Object[] {new String[0]},
                new String[] {String[].class.getName()});
    Matcher count = Pattern.compile(PREFIX + "(\\d+)").matcher(dump.toString());
    if (!count.find()) {
      throw new IllegalStateException("thread dump must have \"" + PREFIX + "\" (got none)");
    }
    return Integer.parseInt(count.group(1));
  }
}
