"""The four examples of image-tagging-tools' guide, in a folder with `tagged.zip`, `new.zip` and `output/models`.

spacer-like examples .
spacer-like tags process tagged.zip
spacer-like tags train
python original_examples.py
"""

from zipfile import ZipFile

from spacer_like.tags.original import classify_main, generate_model_path, list_models

MODELS = "output/models"


def main() -> None:
    # 1. Which models are there?
    for model_type, tags in list_models(MODELS).items():
        print(model_type, *tags)

    # 2. One image and one model.
    with ZipFile("tagged.zip") as archive:
        image = archive.extract("animal/horse-face.png")
    model = f"{MODELS}/model-ovr-svm-tag-animal.safetensors"
    print("one model:", classify_main(image, "output/one", model_path=model).tags)

    # 3. The same image and all models.
    print("all models:", classify_main(image, "output/all", model_path=MODELS).tags)

    # 4. A model by its type and tag; there is none of what was not trained.
    path = generate_model_path(MODELS, "ovr-logistic-regression", "clock")
    print("clocks:", classify_main("new.zip", "output/clocks", model_path=path).tags)
    print("unicorns:", generate_model_path(MODELS, "ovr-svm", "unicorn"))


if __name__ == "__main__":
    main()
