package org.retort.recipes;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.retort.models.Network;

/**
 * Networks that are closed together.
 *
 * @param all the networks
 */
public record NetworkList(List<Network> all) implements AutoCloseable {
  /**
   * Creates a list.
   *
   * @param all the networks, which the list owns
   */
  public NetworkList {
    all = List.copyOf(all);
  }

  /**
   * Creates a network for each item, or none if one fails.
   *
   * @param items the items to create networks for
   * @param maker creates a network
   * @param <T> the type of the items
   * @return a new list, in the order of the items, which the caller closes
   */
  public static <T> NetworkList of(List<T> items, Function<T, Network> maker) {
    List<Network> made = new ArrayList<>();
    try {
      for (T item : items) {
        made.add(maker.apply(item));
      }
      return new NetworkList(made);
    } catch (RuntimeException failure) {
      made.forEach(Network::close);
      throw failure;
    }
  }

  @Override
  public void close() {
    all.forEach(Network::close);
  }
}
