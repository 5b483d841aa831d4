package org.retort.internal;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringTensorDictItem;
import org.bytedeco.pytorch.Tensor;

/** Converts LibTorch's ordered dicts. */
public final class NamedTensors {
  private NamedTensors() {}

  /**
   * Copies a dict's handles into a map.
   *
   * @param dict a dict, which may be closed afterwards
   * @return new tensors that share memory with the dict's, in its order
   */
  public static Map<String, Tensor> toMap(StringTensorDict dict) {
    Map<String, Tensor> map = new LinkedHashMap<>();
    for (long i = 0; i < dict.size(); i++) {
      StringTensorDictItem item = dict.get(i);
      map.put(StringLists.take(item.key()), new Tensor(item.value()));
    }
    return Collections.unmodifiableMap(map);
  }
}
