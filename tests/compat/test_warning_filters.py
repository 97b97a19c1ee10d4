import warnings

from mmseg.models.decode_heads import FCNHead

from mmseg_attn.compat.warning_filters import leave_out_warnings_of_the_host


def messages_of(build) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        build()
    return [str(each.message) for each in caught]


def head() -> None:
    FCNHead(in_channels=4, channels=4, num_classes=2)


def test_the_deprecated_builder_of_the_host_is_left_out_and_nothing_else():
    before = messages_of(head)

    def filtered() -> None:
        leave_out_warnings_of_the_host()
        head()

    after = messages_of(filtered)
    assert after == [text for text in before if 'build_loss' not in text]
    assert any('out_channels' in text for text in after)
