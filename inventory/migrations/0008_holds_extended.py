from django.db import migrations, models


class Migration(migrations.Migration):
    """A hold says when it was extended."""

    dependencies = [
        ("inventory", "0007_products_by_word_and_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="reservation",
            name="extended_at",
            field=models.DateTimeField(
                editable=False, help_text="when the hold was extended, which it is once", null=True
            ),
        ),
    ]
