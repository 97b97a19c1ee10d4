"""What the tools are made of: nothing here registers parts, and only tools import it.

A tool in ``tools/`` parses its arguments and calls the package of its task:

- check: ``check_dataset.py``, ``class_weights.py``
- convert: the tools in ``dataset_converters/``
- predict: ``predict.py``, ``show_attention.py``
- calibrate: ``calibrate.py``
- export: ``export_onnx.py``
- report: ``report.py``, ``plot_curves.py``
- reproduce and runs: ``reproduce.py``, ``cross_validate.py``

``cli.py`` is common to all of them. The other analysis tools use ``mmseg_attn.evaluation`` and
``mmseg_attn.visualization``, and ``train.py`` and ``test.py`` use ``mmseg_attn.engine``.
"""
