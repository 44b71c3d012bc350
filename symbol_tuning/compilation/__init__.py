"""What a compiled step needs and costs, found out without running it.

    topology, programs     a step, its shapes and shardings, the devices
    measuring              compiles it, and has its HLO and its jaxpr counted
      hlo                    instructions: how often, operations, bytes
      arithmetic             operations of the jaxpr, and what the model needs
      memory                 what fills a device's memory, and what to change
      chips, roofline        how long all that takes at least
    findings, rendering    the result as JSON, Markdown and on the terminal

`measuring.precompile` does this for one step, `sweep` for many layouts of one;
`environment` is for machines that have the TPU compiler and no TPU.
"""
