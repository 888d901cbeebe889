"""The forms of uploads; what a file holds is checked in `photographs`."""

from django import forms

_IMAGES = forms.FileInput(attrs={"accept": "image/jpeg,image/png"})
_TABLES = forms.FileInput(attrs={"accept": ".csv,text/csv"})
_EMPTY_TABLE = {"required": "Choose a table of labels.", "empty": "The table of labels is empty."}


class PhotographForm(forms.Form):
    photograph = forms.FileField(
        label="Photograph",
        help_text="JPEG or PNG, 20 MB at most.",
        widget=_IMAGES,
        error_messages={"required": "Choose a photograph.", "empty": "The photograph is empty: choose another file."},
        max_length=200,
    )
    labels = forms.FileField(
        label="Labels, if you have some",
        help_text="CSV with the columns image, row, col and label.",
        widget=_TABLES,
        required=False,
        error_messages=_EMPTY_TABLE,
        max_length=200,
    )


class LabelsForm(forms.Form):
    labels = forms.FileField(
        label="Labels from a file",
        help_text="CSV with the columns image, row, col and label.",
        widget=_TABLES,
        error_messages=_EMPTY_TABLE,
        max_length=200,
    )
